import { expect, it } from 'vitest'
import { Subscriber } from 'zeromq'
import { startBus } from './bus-publisher.ts'

it('sends two frames whose body is what json.dumps writes, and any other frames as given', async () => {
  const bus = await startBus()
  const subscriber = new Subscriber()
  try {
    subscriber.connect(bus.endpoint)
    subscriber.subscribe('')
    await bus.subscriber()
    await bus.publish({ topic: 'tag', body: { tag: 'f43', user: 'é', epoch: null } })
    const [topic, body] = (await subscriber.receive()).map(String)
    expect(topic).toBe('org.fedoraproject.prod.buildsys.tag')
    expect(body).toMatch(
      /^\{"i": 1, "msg": \{"tag": "f43", "user": "\\u00e9", "epoch": null, "instance": "primary"\}, "msg_id": "\d{4}-[-0-9a-f]{36}", "timestamp": \d+, "topic": "org.fedoraproject.prod.buildsys.tag", "username": "apache"\}$/,
    )
    await bus.sendRaw(['only one frame'])
    expect((await subscriber.receive()).map(String)).toEqual(['only one frame'])
  } finally {
    subscriber.close()
    bus.close()
  }
})
