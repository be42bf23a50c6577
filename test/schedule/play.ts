import { openHere } from '../e2e/daemon.ts'
import { seeded } from '../e2e/gates.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import type { Person } from './cast.ts'
import { HERE, type Parts } from './parts.ts'
import { Schedule } from './schedule.ts'

export interface Played {
  /** the steps in the order that they were taken */
  readonly trace: readonly string[]
  /** Empty: the promises hold. */
  readonly complaints: readonly string[]
}

const DAEMONS = ['first', 'second'] as const
const rpms = [{ arch: 'x86_64' }]
const LATEST = 4
const TAGS = ['f43', 'f44', 'f45'] as const

/** Something to act on, which staging has, too: what is left to do is done in the database alone. */
async function ground(world: E2eWorld): Promise<void> {
  const { prod } = world
  for (const tag of [...TAGS, 'all']) {
    await prod.addTag(tag, { arches: 'x86_64' })
    await prod.addPackage(tag, 'bash')
  }
  for (let release = 1; release <= LATEST; release += 1) {
    const { id } = await prod.importBuild({ name: 'bash', version: '5', release: String(release), rpms })
    await prod.tagBuild('all', id)
    if (release <= 2) for (const tag of TAGS) await prod.tagBuild(tag, id)
  }
  const { operations } = await openHere({ file: world.file })
  try {
    for await (const _news of operations.reconcile(
      { dryRun: false, tags: [] },
      new AbortController().signal,
    ));
  } finally {
    await operations.destroy()
  }
  world.kept.length = 0
}

type Act = Person['acts'][number]

/** Some work in prod that is announced: each is possible whenever its turn comes, since they keep their order. */
function prodActs({ prod }: E2eWorld, random: () => number): Act[] {
  const tagged = new Map(TAGS.map((tag) => [tag, new Set([1, 2])]))
  const one = (): Act => {
    const tag = TAGS[Math.floor(random() * TAGS.length)] as (typeof TAGS)[number]
    const release = 1 + Math.floor(random() * LATEST)
    const nvr = `bash-5-${release}`
    const is = tagged.get(tag) as Set<number>
    if (!is.has(release)) {
      is.add(release)
      return { what: `tag ${tag} ${nvr}`, run: () => prod.tagBuild(tag, nvr) }
    }
    if (random() < 0.6) return { what: `retag ${tag} ${nvr}`, run: () => prod.retagBuild(tag, nvr) }
    is.delete(release)
    return { what: `untag ${tag} ${nvr}`, run: () => prod.untagBuild(tag, nvr) }
  }
  return Array.from({ length: 4 + Math.floor(random() * 4) }, one)
}

/** Staging's people: a build of their own in prod's tag, and a transaction that holds rows for a while. */
function localActs({ local }: E2eWorld, random: () => number): Act[] {
  const acts: Act[] = []
  let open: Awaited<ReturnType<typeof local.begin>> | undefined
  if (random() < 0.6)
    acts.push({
      what: 'builds and tags',
      run: async () => {
        const own = { name: 'bash', version: '5', release: '2.local', rpms }
        const { id } = await local.importBuild(own)
        await local.tagBuild('f43', id)
      },
    })
  if (random() < 0.6)
    acts.push(
      {
        what: 'begins, untags',
        run: async () => {
          open = await local.begin()
          const [there] = await local.rows(
            `select b.id from tag_listing l join build b on b.id = l.build_id join tag t on t.id = l.tag_id
              where l.active and t.name = 'f43' order by b.id limit 1`,
          )
          if (there !== undefined) await open.untagBuild('f43', Number(there.id)).catch(() => {})
        },
      },
      { what: 'rolls back', run: async () => open?.rollback() },
    )
  return acts
}

/** Two daemons, prod's hub, the bus and staging's people at one package in two tags, in the order of this seed. */
export async function play(seed: number, parts: Parts = HERE): Promise<Played> {
  const world = await e2eWorld({ config: '[[placement]]\nmode = "volume"\n' })
  try {
    world.announce = 'keep'
    await ground(world)
    const random = seeded(seed)
    const schedule = await Schedule.open({
      world,
      seed,
      daemons: DAEMONS,
      parts,
      sleeps: Math.floor(random() * 3),
    })
    const complaints: string[] = []
    try {
      await schedule.run([
        { name: 'prod', acts: prodActs(world, random) },
        { name: 'people', acts: localActs(world, random) },
      ])
    } catch (error) {
      complaints.push(String(error instanceof Error ? error.stack : error))
    } finally {
      await schedule.close()
    }
    if (complaints.length === 0) complaints.push(...(await different(world)))
    return { trace: schedule.trace, complaints }
  } finally {
    await world.close()
  }
}

/** Every message was heard: the listings are as in prod, but for what staging's people put there. */
async function different(world: E2eWorld): Promise<string[]> {
  const releases = async (rows: (sql: string) => Promise<Record<string, unknown>[]>): Promise<string[]> =>
    (
      await rows(
        `select t.name || ' ' || b.release as line from tag_listing l join build b on b.id = l.build_id
          join tag t on t.id = l.tag_id where l.active and t.name in ('${TAGS.join("', '")}') order by t.name, l.create_event, b.id`,
      )
    ).map(({ line }) => String(line))
  const there = await releases((sql) => world.prod.rows(sql))
  const here = (await releases((sql) => world.sql(sql))).filter((line) => !line.endsWith('.local'))
  const parked = await world.sql<{ key: string; last_error: unknown }>(
    'select key, last_error from staging_sync.queue where parked_at is not null',
  )
  return [
    ...(JSON.stringify(there) === JSON.stringify(here)
      ? []
      : [`prod has ${there.join(', ')}; staging ${here.join(', ')}`]),
    ...parked.map(({ key, last_error }) => `parked: ${key}: ${JSON.stringify(last_error)}`),
  ]
}
