import type { Work } from '../chaos/living.ts'
import type { E2eWorld } from '../e2e/world.ts'

/** Commands that are cut off: each is given something to find before. */
export interface Finder {
  readonly name: string
  readonly work: Work
  readonly make: (world: E2eWorld, n: number) => Promise<unknown>
}

const drain = async (news: AsyncIterable<unknown>): Promise<void> => {
  for await (const _one of news);
}

const rpms = [{ arch: 'src' }]

/** What no message told. */
async function change({ prod }: E2eWorld, n: number): Promise<void> {
  await prod.addTag(`found-${n}`, { arches: 'x86_64' })
  await prod.addPackage(`found-${n}`, `found-${n}`)
  const { id } = await prod.importBuild({ name: `found-${n}`, version: '1', release: '1', rpms })
  await prod.tagBuild(`found-${n}`, id)
  if (n > 0) await prod.untagBuild(`found-${n - 1}`, `found-${n - 1}-1-1`).catch(() => {})
}

/** What only a comparison finds: nothing of it is in prod's history. */
async function drift(world: E2eWorld, n: number): Promise<void> {
  await world.prod.addUser(`drift-${n}`)
  await world.prod.setBuildOwner('crash-part-1-1', `drift-${n}`)
  await world.prod.changeVolume('crash-part-1-1', n % 2 === 0 ? 'archive' : 'DEFAULT')
  // As if an apply of ours had gone astray: its history says nothing of anybody else.
  await world.sql(
    `update tag_extra set active = null, revoke_event = create_event, revoker_id = creator_id
      where active and tag_id = (select min(tag_id) from tag_extra where active)`,
  )
}

export const FINDERS: readonly Finder[] = [
  { name: 'catch-up', work: (operations, signal) => drain(operations.catchUp({}, signal)), make: change },
  {
    name: 'reconcile',
    work: (operations, signal) => drain(operations.reconcile({ dryRun: false, tags: [] }, signal)),
    make: drift,
  },
  {
    name: 'scrub',
    work: (operations, signal) => drain(operations.scrub({ once: true, tags: [] }, signal)),
    make: drift,
  },
]
