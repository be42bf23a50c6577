import { afterAll, beforeAll, expect, it } from 'vitest'
import { StopError } from '../../src/errors.ts'
import { parseTypedKey } from '../../src/model/key.ts'
import { openHere } from '../e2e/daemon.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { command } from './command.ts'

let world: E2eWorld
beforeAll(async () => {
  world = await e2eWorld({ config: '[scope]\ntags = ["child"]\n' })
  const { prod } = world
  await prod.addTag('base', { arches: 'x86_64' })
  await prod.addTag('child', { arches: 'x86_64', parent: 'base' })
  world.announce = 'keep'
  expect(await command('sync', '--config', world.file, 'tag/child', 'tag/base')).toMatchObject({ code: 0 })
})
afterAll(() => world?.close())

const scope = () => world.sql(`select reason from staging_sync.scope_tag`)
const nobodyIsLeft = async () => {
  expect(await world.sql('select * from staging_sync.daemon')).toEqual([])
  expect(await world.sql('select key from staging_sync.queue where token is not null')).toEqual([])
}

it.each([['sync', 'tag/child'], ['reconcile']])(
  '%s without a daemon begins as a daemon does',
  async (...argv) => {
    await world.sql('delete from staging_sync.scope_tag')
    await world.sql(`insert into staging_sync.debt (last_event, interleaved, tag_ids)
    select last_value, false, '{}' from events_id_seq`)
    expect(await command(argv[0] as string, '--config', world.file, ...argv.slice(1))).toMatchObject({
      code: 0,
    })
    expect(await scope()).toEqual([{ reason: 'parent of child' }])
    expect(await world.sql('select * from staging_sync.debt')).toEqual([])
    await nobodyIsLeft()
  },
)

it('reconcile that works itself is woken by marks', async () => {
  const { operations } = await openHere({ file: world.file })
  await world.prod.editTag('child', { locked: true })
  const news = operations
    .reconcile({ dryRun: false, tags: [] }, new AbortController().signal)
    [Symbol.asyncIterator]()
  await news.next()
  const listening = () =>
    world.sql(
      `select 1 from pg_stat_activity where datname = current_database() and query ilike 'listen %staging_sync_queue%'`,
    )
  const endMs = performance.now() + PATIENCE_MS
  while ((await listening()).length === 0) {
    if (performance.now() > endMs) throw new Error('nobody listens')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  while ((await news.next()).done !== true);
  await operations.destroy()
})

it('sync that is stopped gives its claims back, and its keys stay marked', async () => {
  const { operations } = await openHere({ file: world.file })
  const stop = new AbortController()
  let answer = (): void => {}
  world.prodHub.knobs.beforeNext('queryHistory', () => {
    stop.abort(new StopError('STOPPED', 'stopped'))
    return new Promise((resolve) => {
      answer = resolve
    })
  })
  const ended = []
  for await (const one of operations.sync([parseTypedKey('tag/child')], stop.signal)) ended.push(one)
  answer()
  await operations.destroy()
  expect(ended).toMatchObject([{ outcome: 'waiting', reason: 'stopped' }])
  expect(await world.sql('select kind, attempts from staging_sync.queue')).toEqual([
    { kind: 'tag', attempts: 0 },
  ])
  await nobodyIsLeft()
  await world.sql('delete from staging_sync.queue')
})

it.each(['sql.daemon.join', 'sql.run.holders', 'sql.scope.tags-here', 'bus.receive'])(
  'a signal while the daemon starts (%s) ends it in order',
  async (at) => {
    const stop = new AbortController()
    const { operations } = await openHere({
      file: world.file,
      step: (name) => {
        if (name === at) stop.abort(new StopError('STOPPED', 'stopped'))
        return undefined
      },
    })
    const publishing = setInterval(() => void world.bus.publish({ topic: 'hello', body: {} }), 50)
    try {
      await operations.run(stop.signal)
    } finally {
      clearInterval(publishing)
    }
    expect(stop.signal.aborted).toBe(true)
    await operations.destroy()
    await nobodyIsLeft()
  },
)

it('a signal before the daemon starts ends it in order', async () => {
  const { operations } = await openHere({ file: world.file })
  await operations.run(AbortSignal.abort(new StopError('STOPPED', 'stopped')))
  await operations.destroy()
  await nobodyIsLeft()
})
