import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { FINDERS } from './finders.ts'
import { CrashGround, type Cut, type Pick } from './harness.ts'
import { cutInit } from './init.ts'
import { BUILDS, type Operation, TAGS } from './instances.ts'

/*
 * npm run crash -- [--only NAME] [--every 1] [--offset 0]
 *   Cuts each operation off before each of its side effects (which is after the one before), or before every so manieth from --offset
 *   on; then starts anew, and demands that both Kojis are equal and nothing is left over. --only: those whose name contains it.
 * Exit code 1 when something was.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    every: { type: 'string', default: '1' },
    offset: { type: 'string', default: '0' },
  },
})
const [every, offset] = [Number(values.every), Number(values.offset)]
const pick: Pick = (effects) =>
  Array.from({ length: effects }, (_, i) => i).filter((i) => i % every === offset % every)
const isWanted = ({ name }: { readonly name: string }): boolean => name.includes(values.only)

const startedMs = performance.now()
const all: Cut[] = []
const complaints: string[] = []

function tell(cuts: readonly Cut[], verdict: readonly string[]): void {
  for (const cut of cuts) {
    console.log(`${cut.name}: ${cut.effects} effects, cut off at ${cut.cuts}`)
    for (const text of cut.complaints) console.log(`  ${text}`)
    complaints.push(...cut.complaints)
  }
  for (const text of verdict) console.log(`  afterwards: ${text}`)
  complaints.push(...verdict)
  all.push(...cuts)
}

async function onGround(work: (ground: CrashGround) => Promise<Cut[]>): Promise<void> {
  const ground = await CrashGround.open()
  try {
    const cuts = await work(ground)
    tell(cuts, await ground.judge())
  } finally {
    await ground.close()
  }
}

for (const operations of [BUILDS, TAGS]) {
  const wanted = operations.filter(isWanted)
  if (wanted.length > 0) await onGround((ground) => ground.keys(wanted, pick))
}
for (const { name, work, make } of FINDERS.filter(isWanted))
  await onGround(async (ground) => [await ground.work(name, work, (n) => make(ground.world, n), pick)])

/** A rule changes: builds that stand one way are made to stand another one. */
const MODES = ['volume', 'farm', 'copy', 'in-place']
const imported = BUILDS[0] as Operation
const made = imported.change as Operation['before'] & {}
for (const from of MODES)
  for (const to of MODES) {
    const name = `placement move, ${from} to ${to}`
    if (from === to || !isWanted({ name })) continue
    await onGround(async (ground) => {
      const [before, after] = [await withRule(ground, from), await withRule(ground, to)]
      const move: Operation = { ...imported, name, before: made, change: async () => undefined }
      const cuts = await ground.under(before).keys([move], pick, after)
      tell(cuts, await ground.under(after).judge())
      return []
    })
  }

/** The path of a configuration under which every build stands so. */
async function withRule({ world }: CrashGround, mode: string): Promise<string> {
  const file = `${world.file}.${mode}`
  await writeFile(file, `${await readFile(world.file, 'utf8')}\n[[placement]]\nmode = "${mode}"\n`)
  return file
}
if (isWanted({ name: 'init with migrations' })) tell([await cutInit(pick)], [])

const sum = (of: (cut: Cut) => number): number => all.reduce((total, cut) => total + of(cut), 0)
const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
console.log(
  `${all.length} operations, ${sum((cut) => cut.effects)} effects, ${sum((cut) => cut.cuts)} crashes, ${complaints.length} complaints, ${seconds} s`,
)
process.exit(complaints.length > 0 ? 1 : 0)
