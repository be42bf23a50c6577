import { EXIT } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { Decided } from '../model/operations.ts'
import { printable } from '../model/printable.ts'
import { maskText } from '../model/secret.ts'
import type { ClashesReport, ShownClash, ShownDecision, ShownParked } from '../model/status.ts'
import { accountOf, type CommonFlags, once, type Surroundings } from './commands.ts'

const POLICIES = ['prod-wins', 'local-wins', 'hold', 'config'] as const
/** What `clashes resolve` takes. */
export type PolicyArgument = (typeof POLICIES)[number]
export const POLICY_ARGUMENTS: readonly string[] = POLICIES

const MAX_LISTED = 10_000

type JsonFlags = CommonFlags & { readonly json: boolean }

/** Exit 4 when some are held, else 0. */
export function clashesListCommand(around: Surroundings, flags: JsonFlags): Promise<number> {
  return once(around, flags, async (operations) => {
    const report = await operations.clashes(null)
    around.stdout.write(flags.json ? json(report) : clashesText(report))
    return report.clashes.some(({ state }) => state === 'held') ? EXIT.held : EXIT.ok
  })
}

export function clashesShowCommand(around: Surroundings, flags: JsonFlags, key: Key): Promise<number> {
  return once(around, flags, async (operations) => {
    const report = await operations.clashes(key)
    around.stdout.write(flags.json ? json(report) : bothSides(report))
    return report.clashes.some(({ state }) => state === 'held') ? EXIT.held : EXIT.ok
  })
}

export function clashesResolveCommand(
  around: Surroundings,
  flags: CommonFlags,
  key: Key,
  policy: PolicyArgument,
): Promise<number> {
  return once(around, flags, async (operations) => {
    const by = accountOf(around)
    const decided = await operations.resolveClash(key, policy, by)
    const [name = ''] = decided.keys
    const what = policy === 'config' ? 'as configured again' : policy
    around.stdout.write(
      `${safe(name)}: ${what}, recorded for ${safe(by)} (\`koji-staging-sync audit\`); ${marked(decided, name)}`,
    )
    return EXIT.ok
  })
}

/** What was done by hand to a key, or at all; the newest first. */
export function auditCommand(around: Surroundings, flags: JsonFlags, key: Key | null): Promise<number> {
  return once(around, flags, async (operations) => {
    const lines = await operations.audit(key, MAX_LISTED)
    const text = lines.map(
      ({ at, by, host, what, subject, name, detail }) =>
        `${at}  ${safe(by)} on ${safe(host)}  ${safe(what)}  ${title({ key: subject, name })}${detail === '' ? '' : `  ${safe(detail)}`}\n`,
    )
    const none = 'nobody has decided or retried anything by hand\n'
    around.stdout.write(flags.json ? json(lines) : text.length === 0 ? none : text.join(''))
    return EXIT.ok
  })
}

/** Exit 1 when some are parked, else 0. */
export function parkedListCommand(around: Surroundings, flags: JsonFlags): Promise<number> {
  return once(around, flags, async (operations) => {
    const parked = await operations.parked(MAX_LISTED)
    around.stdout.write(flags.json ? json(parked) : parkedText(parked))
    return parked.length > 0 ? EXIT.error : EXIT.ok
  })
}

/** null: all of them */
export function parkedRetryCommand(
  around: Surroundings,
  flags: CommonFlags,
  keys: readonly Key[] | null,
): Promise<number> {
  return once(around, flags, async (operations) => {
    const decided = await operations.retryParked(keys, accountOf(around))
    const { length } = decided.keys
    around.stdout.write(
      `${length} ${length === 1 ? 'key' : 'keys'}: ${marked(decided, decided.keys[0] ?? 'KEY')}`,
    )
    return EXIT.ok
  })
}

function marked({ keys, daemons }: Decided, key: string): string {
  if (keys.length === 0) return 'nothing is parked\n'
  if (daemons) return 'marked, the daemon sees to it now\n'
  return `marked; no daemon runs: start it, or \`koji-staging-sync sync ${safe(key)}\`\n`
}

function clashesText({ clashes, decisions }: ClashesReport): string {
  const lines = clashes.map(
    (one) =>
      `${one.state.padEnd(9)} ${title(one)}  ${one.kind} ${safe(one.subject)}  since ${one.firstSeen}\n`,
  )
  return [
    ...(lines.length === 0 ? ['no clash stands\n'] : lines),
    ...(decisions.length > 0 ? ['decided by hand\n', ...decisions.map(decisionLine)] : []),
  ].join('')
}

function bothSides({ clashes, decisions }: ClashesReport): string {
  const parts = clashes.map((one) =>
    [
      `${title(one)}  ${one.kind} ${safe(one.subject)}`,
      `  ${one.state}, first seen ${one.firstSeen}, last ${one.lastSeen}, ${one.count} times`,
      '  prod',
      ...side(one.prod),
      '  staging',
      ...side(one.local),
      '',
    ].join('\n'),
  )
  return [
    ...(parts.length === 0 ? ['no clash stands for this key\n'] : parts),
    ...decisions.map(decisionLine),
  ].join('')
}

function side(value: unknown): string[] {
  if (value === null) return ['    none']
  const text = JSON.stringify(value, null, 2) ?? 'none'
  return text.split('\n').map((line) => `    ${safe(line)}`)
}

function decisionLine({ policy, by, host, at, ...one }: ShownDecision): string {
  return `${policy.padEnd(10)} ${title(one)}  by ${safe(by)} on ${safe(host)}, ${at}\n`
}

function parkedText(parked: readonly ShownParked[]): string {
  if (parked.length === 0) return 'nothing is parked\n'
  return parked
    .map(
      ({ code, reason, attempts, since, retryAt, ...one }) =>
        `${title(one)}  ${code}: ${safe(reason)}\n      since ${since}, ${attempts} attempts, again at ${retryAt}\n`,
    )
    .join('')
}

/** `build/101 (bash-5.2-1.fc43)` */
function title({ key, name }: Pick<ShownClash, 'key' | 'name'>): string {
  return name === null ? safe(key) : `${safe(key)} (${safe(name)})`
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function safe(text: string): string {
  return printable(maskText(text))
}
