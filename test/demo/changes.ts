import type { ProdWorld } from '../sim/prod-world.ts'
import type { Struct, Value } from '../sim/wire-value.ts'
import { mavenContent, rpmContent, rpmsOf, sigkey } from './prod-content.ts'

/** A change in prod, and the question that shows whether staging has it. */
export interface Change {
  readonly title: string
  readonly make: (world: ProdWorld) => Promise<unknown>
  /** Asked of both hubs: staging has the change when it answers as prod does after it. */
  readonly question: readonly [method: string, ...params: Value[]]
  /** What of the answer counts; without it all of it does, so it must hold no ids or times. */
  readonly pick: (answer: Value) => unknown
  /** NVR of the build whose files must be there in the same moment. */
  readonly files?: string
}

const state: Change['pick'] = (build) => {
  const row = build as Struct | null
  // A build that is being made has no row in staging.
  return row === null || row.state === 0 ? null : [row.nvr, row.state]
}
const nvrs: Change['pick'] = (rows) => (rows as Struct[]).map((row) => row.nvr)
const sigkeys: Change['pick'] = (answer) =>
  ((answer as Value[])[0] as Struct[]).map((rpm) => `${rpm.name} ${rpm.arch} ${rpm.sigkey}`).sort()
const packages: Change['pick'] = (rows) =>
  (rows as Struct[]).map((row) => [row.package_name, row.blocked, row.owner_name])
const settings: Change['pick'] = (tag) => {
  const row = tag as Struct | null
  return row === null ? null : [row.arches, row.locked, row.extra]
}
const tags: Change['pick'] = (rows) =>
  (rows as Struct[]).map((row) => [row.name, row.build_tag_name, row.dest_tag_name])

const named = (params: Struct): Struct => ({ ...params, __starstar: true })
const bashIn = (tag: string): Change['question'] => ['listTagged', tag, named({ package: 'bash' })]

/** Each is announced by a message, and waited for before the next one. */
export const announced: readonly Change[] = [
  {
    title: 'build bash-5.3-4.fc44 finishes',
    make: (world) => world.completeBuild('bash-5.3-4.fc44', rpmContent),
    question: ['getBuild', 'bash-5.3-4.fc44'],
    pick: state,
    files: 'bash-5.3-4.fc44',
  },
  {
    title: 'build ant-1.10.15-1.fc44 (maven) finishes',
    make: (world) => world.completeBuild('ant-1.10.15-1.fc44', mavenContent),
    question: ['getBuild', 'ant-1.10.15-1.fc44'],
    pick: state,
    files: 'ant-1.10.15-1.fc44',
  },
  {
    title: 'tag bash-5.3-4.fc44 into f44-updates',
    make: (world) => world.tagBuild('f44-updates', 'bash-5.3-4.fc44'),
    question: bashIn('f44-updates'),
    pick: nvrs,
  },
  {
    title: 'retag bash-5.3-2.fc44: the latest of f44 again',
    make: (world) => world.retagBuild('f44', 'bash-5.3-2.fc44'),
    question: bashIn('f44'),
    pick: nvrs,
  },
  {
    title: 'sign bash-5.3-4.fc44.x86_64',
    make: async (world) => world.signRpm((await rpmsOf(world, 'bash-5.3-4.fc44'))[1] as number, sigkey),
    question: ['listTaggedRPMS', 'f44-updates', named({ rpmsigs: true })],
    pick: sigkeys,
    files: 'bash-5.3-4.fc44',
  },
  {
    title: 'untag bash-5.3-3.fc44 from f44',
    make: (world) => world.untagBuild('f44', 'bash-5.3-3.fc44'),
    question: bashIn('f44'),
    pick: nvrs,
  },
  {
    title: 'block package ant in f44-updates',
    make: (world) => world.blockPackage('f44-updates', 'ant'),
    question: ['listPackages', named({ tagID: 'f44-updates' })],
    pick: packages,
  },
  {
    title: 'delete build bash-5.3-3.fc44',
    make: (world) => world.deleteBuild('bash-5.3-3.fc44'),
    question: ['getBuild', 'bash-5.3-3.fc44'],
    pick: state,
    files: 'bash-5.3-3.fc44',
  },
  {
    title: 'promote draft kernel-6.18-1.fc44 (the message names no build)',
    make: async (world) => {
      const [draft] = await world.rows('SELECT id FROM build WHERE draft')
      return world.promoteBuild(Number(draft?.id))
    },
    question: ['getBuild', 'kernel-6.18-1.fc44'],
    pick: state,
    files: 'kernel-6.18-1.fc44',
  },
]

/** Koji sends no message for these, or the bus loses it: catch-up finds them all at its next look. */
export const unheard: readonly Change[] = [
  {
    title: 'tag f44: arches, a setting in extra (no such message)',
    make: (world) =>
      world.together(async (prod) => {
        await prod.editTag('f44', { arches: 'x86_64 aarch64 riscv64' })
        await prod.setExtra('f44', 'repo.auto', true)
      }),
    question: ['getTag', 'f44'],
    pick: settings,
  },
  {
    title: 'new tag f44-testing and target to it (no such message)',
    make: async (world) => {
      await world.addTag('f44-testing', { parent: 'f44-updates' })
      await world.addTarget('f44-testing', 'f44-build', 'f44-testing')
    },
    question: ['getBuildTargets'],
    pick: tags,
  },
  {
    title: 'build make-4.4.1-12.fc44 finishes, message lost',
    make: (world) => world.importBuild({ name: 'make', version: '4.4.1', release: '12.fc44', ...rpmContent }),
    question: ['getBuild', 'make-4.4.1-12.fc44'],
    pick: state,
    files: 'make-4.4.1-12.fc44',
  },
  {
    title: 'tag make-4.4.1-12.fc44 into f44, message lost',
    make: (world) => world.tagBuild('f44', 'make-4.4.1-12.fc44'),
    question: ['listTagged', 'f44', named({ package: 'make' })],
    pick: nvrs,
  },
]
