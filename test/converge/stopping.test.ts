import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Converger } from '../../src/converge/deps.ts'
import { parseKey } from '../../src/model/key.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { convergersOf } from './convergers.ts'
import { TestSync } from './support.ts'

let sync: TestSync
let ids: { tag: unknown; here: unknown; bash: number; other: number; target: unknown }
beforeAll(async () => {
  sync = await TestSync.open()
  const { prod } = sync
  await prod.addUser('alice')
  for (const name of ['here', 'elsewhere']) await prod.addTag(name)
  await prod.addTarget('rawhide', 'elsewhere', 'elsewhere')
  await sync.sync(['tag/here'])
  await sync.clearQueue()
  const bash = await prod.addPackage('here', 'bash', { owner: 'alice' })
  const other = await prod.addPackage('elsewhere', 'zsh')
  const [row] = await prod.rows(`select (select id from tag where name = 'elsewhere') as tag,
    (select id from tag where name = 'here') as here, (select id from build_target) as target`)
  ids = { tag: row?.tag, here: row?.here, target: row?.target, bash, other }
})
afterAll(() => sync.close())

it.each([
  ["a tag's scope", 'getTag', () => `package/${ids.tag}/${ids.other}`],
  ["a target's scope", 'getTag', () => `target/${ids.target}`],
  ["an owner's name", 'getUser', () => `package/${ids.here}/${ids.bash}`],
])(
  'a hub that does not answer about %s holds no key longer than the daemon lasts',
  async (_what, method, key) => {
    let asked = (): void => {}
    let answer = (): void => {}
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve
    })
    sync.hub.knobs.beforeNext(method, () => {
      asked()
      return new Promise((resolve) => {
        answer = resolve
      })
    })
    const [claim] = await sync.queue.markAndClaim([{ key: parseKey(key()), priority: 'live' }])
    if (claim === undefined) throw new Error('no claim')
    const stop = new AbortController()
    const converger = convergersOf(sync.deps())[claim.key.kind] as Converger
    const ended = converger.converge(claim.key, claim, stop.signal).catch((error: unknown) => error)
    await Promise.race([isAsked, ended])
    stop.abort()
    try {
      expect(await Promise.race([ended, sleep(PATIENCE_MS, 'still waiting', { ref: false })])).toMatchObject({
        code: 'HUB_STOPPED',
      })
    } finally {
      answer()
      await ended
      await sync.clearQueue()
    }
  },
)
