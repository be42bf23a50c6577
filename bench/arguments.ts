import { parseArgs } from 'node:util'

/** The measurements, in the order in which they run. */
const PARTS = [
  'decoder',
  'verify',
  'queue',
  'calls',
  'copy',
  'latency',
  'burst',
  'reconcile',
  'reconcile-large',
  'catch-up',
  'keys',
  'rates',
  'naive',
  'drift',
  'drift-large',
  'seed',
  'seed-large',
] as const
/** They take long, and make worlds of their own: only when they are named. */
const ALONE: readonly Part[] = [
  'reconcile',
  'reconcile-large',
  'catch-up',
  'keys',
  'rates',
  'naive',
  'drift',
  'drift-large',
  'seed',
  'seed-large',
]
type Part = (typeof PARTS)[number]

export interface Arguments {
  /** Against the real hub of a rig instead of the simulator. */
  readonly real: boolean
  readonly parts: readonly Part[]
  readonly samples: number
  /** Messages of the burst, over a tenth as many packages. */
  readonly messages: number
  readonly runs: number
  /** Where the daemon writes a CPU profile when it ends; null: it is not profiled. */
  readonly profileDir: string | null
  /** Where the results go. */
  readonly output: string
  /** Where the content of large Kojis is kept for the next run; undefined: it is made anew. */
  readonly keep: string | undefined
}

export const USAGE = `npm run bench [-- OPTION...]

  --real            the real hub of a rig: RIG_PROD_PORT (8081), RIG_PG_PORT (5433), RIG_DIR (/tmp/koji-rig);
                    writes into its database koji_prod and its tree, and needs pg_dump and psql
  --only PART       one of ${PARTS.join(', ')}; may be given more than once
                    (without it: all but ${ALONE.join(', ')})
  --runs N          so often everything (1); the run with the median ratio counts, the spread is told
  --samples N       messages of the latency measurement (1000)
  --messages N      messages of the burst (20000)
  --profile DIR     CPU profiles of the daemon
  --keep DIR        keeps the content of large Kojis (reconcile, catch-up) there for the next run
  --output FILE     (bench/results.json)
`

/** Throws with a readable text. */
export function readArguments(argv: readonly string[], defaultOutput: string): Arguments | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      real: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      samples: { type: 'string', default: '1000' },
      messages: { type: 'string', default: '20000' },
      runs: { type: 'string', default: '1' },
      profile: { type: 'string' },
      keep: { type: 'string' },
      output: { type: 'string', default: defaultOutput },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const unknown = values.only.filter((name) => !PARTS.includes(name as Part))
  if (unknown.length > 0) throw new Error(`--only ${unknown[0]}: it is one of ${PARTS.join(', ')}`)
  return {
    real: values.real,
    // The reconcile takes a quarter of an hour, and makes a Koji of its own.
    parts:
      values.only.length === 0
        ? PARTS.filter((name) => !ALONE.includes(name))
        : PARTS.filter((part) => values.only.includes(part)),
    samples: count('samples', values.samples, 20),
    messages: count('messages', values.messages, 100),
    runs: count('runs', values.runs, 1),
    profileDir: values.profile ?? null,
    output: values.output,
    keep: values.keep,
  }
}

function count(name: string, text: string, least: number): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < least) throw new Error(`--${name} ${text}: a number from ${least} on`)
  return n
}
