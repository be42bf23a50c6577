/** Puts one fault after the other into a copy of the sources, and sees whether the tests notice. */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import startKeeper from '../support/keeper.ts'
import { BUILDS, CONVERGE } from './converge.ts'
import type { Mutant } from './mutant.ts'
import { STAGING } from './staging.ts'

const USAGE = `npm run mutants [-- OPTION...]

  --only TEXT   those whose file or description contains it
  --list        what there is, and whether its code still stands; nothing is run
  --no-baseline the tests are known to pass without a mutant
`
const ROOT = join(import.meta.dirname, '..', '..')
const VITEST = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', 'coverage'])
/** Of the mutants that should be noticed. */
const GOAL = 0.9

/** A mutant can make a test wait for ever; other work on the machine can make it look so: that is no answer. */
const NO_ANSWER = 'no answer'
const TIMEOUT_MS = 300_000

type Verdict = 'noticed' | 'SURVIVED' | 'survived, as said' | 'STALE' | 'NO ANSWER'

async function main(mutants: readonly Mutant[], baseline: boolean): Promise<number> {
  const copy = mkdtempSync(join(tmpdir(), 'koji-staging-sync-mutants-'))
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
  cpSync(ROOT, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  // One PostgreSQL for all runs.
  const stopKeeper = await startKeeper()
  try {
    if (baseline) {
      const all = [...new Set(mutants.flatMap(({ tests }) => tests))]
      console.log(`${mutants.length} mutants; first ${all.length} test files without any`)
      const failure = await findFailure(copy, all)
      if (failure !== null) {
        console.error(`without a mutant fails: ${failure}: nothing can be told`)
        return 1
      }
    }
    const verdicts: Verdict[] = []
    for (const mutant of mutants) {
      const { verdict, by } = await judge(copy, mutant)
      console.log(`${verdict}: ${mutant.file}: ${mutant.what}${by === '' ? '' : `; by ${by}`}`)
      verdicts.push(verdict)
    }
    return summary(verdicts)
  } finally {
    await stopKeeper()
  }
}

function summary(verdicts: readonly Verdict[]): number {
  const count = (wanted: Verdict): number => verdicts.filter((verdict) => verdict === wanted).length
  const share = count('noticed') / verdicts.length
  console.log(
    `${count('noticed')} of ${verdicts.length} noticed (${(share * 100).toFixed(0)} %), ${count('survived, as said')} survive as said, ${count('SURVIVED')} survive, ${count('NO ANSWER')} without an answer in time, ${count('STALE')} stand for code that is gone`,
  )
  return share >= GOAL && count('STALE') === 0 ? 0 : 1
}

async function judge(copy: string, mutant: Mutant): Promise<{ verdict: Verdict; by: string }> {
  const { file, find, put, tests, survives } = mutant
  if (isStale(copy, mutant)) return { verdict: 'STALE', by: '' }
  const path = join(copy, 'src', file)
  const source = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    source.replace(find, () => put),
  )
  try {
    let isAnswered = true
    // The first that notices is enough.
    for (const name of tests) {
      const failure = await findFailure(copy, [name])
      if (failure === NO_ANSWER) isAnswered = false
      else if (failure !== null) return { verdict: 'noticed', by: failure }
    }
    if (!isAnswered) return { verdict: 'NO ANSWER', by: '' }
    return { verdict: survives === undefined ? 'SURVIVED' : 'survived, as said', by: '' }
  } finally {
    writeFileSync(path, source)
  }
}

function isStale(root: string, { file, find }: Mutant): boolean {
  return readFileSync(join(root, 'src', file), 'utf8').split(find).length !== 2
}

/** The first test that fails, and how; null: none does. */
async function findFailure(copy: string, tests: readonly string[]): Promise<string | null> {
  const files = tests.map((name) => `test/${name}.test.ts`)
  const options = {
    cwd: copy,
    env: { ...process.env, NO_COLOR: '1' },
    timeout: TIMEOUT_MS,
    maxBuffer: 2 ** 26,
  }
  try {
    await promisify(execFile)(process.execPath, [VITEST, 'run', '--bail', '1', ...files], options)
    return null
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    if ((error as { killed?: boolean }).killed === true) return NO_ANSWER
    if (stdout.includes('Transform failed')) throw new Error(`no program: ${stdout}`)
    const [, test = 'a run without an end', how = ''] =
      /^ FAIL {2}(.+)\n(.+)/m.exec(`${stdout}\n${stderr}`) ?? []
    return `${test.slice(0, 160)} (${how.slice(0, 120)})`
  }
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
    'no-baseline': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const chosen = [...CONVERGE, ...BUILDS, ...STAGING].filter(({ file, what }) =>
  `${file} ${what}`.includes(values.only),
)
if (values.help) console.log(USAGE)
else if (values.list) {
  for (const mutant of chosen)
    console.log(`${isStale(ROOT, mutant) ? 'STALE ' : ''}${mutant.file}: ${mutant.what}`)
} else process.exitCode = await main(chosen, !values['no-baseline'])
