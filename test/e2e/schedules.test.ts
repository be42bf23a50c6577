import { afterEach, expect, test } from 'vitest'
import { Gates, OneAtATime } from './gates.ts'
import { said } from './log-lines.ts'
import { type E2eWorld, e2eWorld } from './world.ts'

let world: E2eWorld
afterEach(() => world?.close())

const rpms = [{ arch: 'x86_64' }]

/** Staging has two builds of bash in f43, the first being the older one. */
async function withTwoBuilds(): Promise<void> {
  world = await e2eWorld()
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  await prod.addPackage('f43', 'bash')
  for (const release of ['1', '2', '3']) await prod.importBuild({ name: 'bash', version: '5', release, rpms })
  for (const release of ['1', '2']) await prod.tagBuild('f43', `bash-5-${release}`)
}

const CLAIMING = (name: string): boolean =>
  ['sql.queue.claim', 'sql.queue.mark-and-claim', 'sql.queue.mark'].includes(name)

function gated(): Gates {
  const gates = new Gates()
  world.closing(() => gates.open())
  return gates
}

/** The lease of every claim is over, as if its holder had slept. */
const endLeases = () =>
  world.sql(`update staging_sync.queue set lease_until = clock_timestamp() where lease_until is not null`)

const listing = () =>
  world.sql(
    `select b.release, l.create_event, l.creator_id from tag_listing l join build b on b.id = l.build_id
      join tag t on t.id = l.tag_id where l.active and t.name = 'f43' order by l.create_event`,
  )

const releases = async () => (await listing()).map((row) => row.release)

test('an old read that comes after a newer apply does not win: its fence fails', async () => {
  await withTwoBuilds()
  const gates = gated()
  const slow = await world.start({ step: gates.step })
  await world.equal()

  const held = gates.hold('sql.converge.begin')
  await world.prod.retagBuild('f43', 'bash-5-1')
  const before = await held
  const go = gates.pause(CLAIMING)
  // The slow one hears and does nothing more; a second one gets the newer message, and the key, whose lease is over.
  const fast = await world.start({ catchUp: 'off' })
  await world.prod.retagBuild('f43', 'bash-5-2')
  await endLeases()
  await world.equal()
  expect(await releases()).toEqual(['1', '2'])
  // To the second one nothing has changed: prod is back where staging is.
  await expect
    .poll(() => fast.metric('keys_total', { kind: 'tagged', outcome: 'unchanged' }))
    .toBeGreaterThan(0)
  const newer = await listing()

  before.go()
  await slow.log.until('the claim was lost', said('claim lost'))
  expect(await listing()).toEqual(newer)
  expect(await slow.metric('keys_total', { kind: 'tagged', outcome: 'lost' })).toBe(1)
  go()
  await world.equal()
})

test('a mark while its key is converged brings another round, which shows what came meanwhile', async () => {
  await withTwoBuilds()
  const gates = gated()
  const daemon = await world.start({ step: gates.step })
  await world.equal()
  const from = daemon.log.all.length
  const held = gates.hold('sql.converge.begin')
  await world.prod.retagBuild('f43', 'bash-5-1')
  const before = await held
  await world.prod.untagBuild('f43', 'bash-5-2')
  await daemon.log.until(
    'the second message is marked',
    said('message handled', { topic: 'untag', outcome: 'marked' }),
    { from },
  )
  before.go()
  await world.equal()
  const rounds = daemon.log.all
    .slice(from)
    .filter(said('converged', { key: 'tagged/2/1', outcome: 'applied' }))
  expect(rounds).toHaveLength(2)
  expect(await releases()).toEqual(['1'])
})

test('a lease that ends while its holder writes: the holder rolls back, the next one waits for nobody', async () => {
  await withTwoBuilds()
  const gates = gated()
  const slow = await world.start({ step: gates.step })
  await world.equal()
  const held = gates.hold('sql.queue.fence-at-once')
  await world.prod.retagBuild('f43', 'bash-5-1')
  const before = await held
  const go = gates.pause(CLAIMING)
  const fast = await world.start({ catchUp: 'off' })
  await endLeases()
  // The other one finds the rows locked: it looks again, and does not wait for them.
  await expect.poll(() => fast.metric('keys_total', { outcome: 'again' })).toBeGreaterThan(0)
  before.go()
  await slow.log.until('the claim was lost', said('claim lost'))
  await world.equal()
  expect(await slow.metric('keys_total', { kind: 'tagged', outcome: 'lost' })).toBe(1)
  await expect.poll(() => world.sql('select 1 from staging_sync.debt')).toEqual([])
  go()
})

test("the hub commits between our read and our write: staging's own row stays, in its place", async () => {
  await withTwoBuilds()
  const gates = gated()
  const daemon = await world.start({ step: gates.step })
  await world.equal()
  await world.local.importBuild({ name: 'bash', version: '5', release: '2.local', rpms })

  // Before the transaction begins: it reads staging again, and plans with what it finds.
  gates.before('sql.converge.begin', async () => {
    await world.local.tagBuild('f43', 'bash-5-2.local')
  })
  await world.prod.tagBuild('f43', 'bash-5-3')
  await world.told(daemon)
  await world.settled()
  expect(await releases()).toEqual(['1', '2', '2.local', '3'])

  // Within it, after the read and before the locks: what we would change has changed, so it is read again.
  const again = await daemon.metric('keys_total', { outcome: 'again' })
  gates.before('sql.versioned.revoke.tag_listing', async () => {
    await world.local.retagBuild('f43', 'bash-5-2')
  })
  await world.prod.untagBuild('f43', 'bash-5-2')
  await world.told(daemon)
  await world.settled()
  expect(await daemon.metric('keys_total', { outcome: 'again' })).toBeGreaterThan(again)
  expect(await releases()).toContain('2.local')
})

test('two daemons whose steps are taken one at a time, in any order, end equal and write nothing twice', async () => {
  await withTwoBuilds()
  const order = new OneAtATime(4)
  world.closing(() => order.end())
  const both = [
    await world.start({ step: order.step }),
    await world.start({ step: order.step, catchUp: 'off' }),
  ]
  for (const release of ['3', '1', '2']) await world.prod.retagBuild('f43', `bash-5-${release}`)
  await world.prod.untagBuild('f43', 'bash-5-1')
  await world.told(...both)
  await world.equal()
  order.end()
  expect(await releases()).toEqual(['3', '2'])
  const marked = await Promise.all(
    both.map((daemon) => daemon.metric('messages_total', { outcome: 'marked' })),
  )
  expect(marked).toEqual([4, 4])
})
