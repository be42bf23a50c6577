import { activityOf, MINUTE_MS, SHOWN_MINUTES } from '../model/activity.ts'
import { scrubPace } from '../model/compared.ts'
import { ago, byteSize, duration, plural } from '../model/human.ts'
import { printable } from '../model/printable.ts'
import { maskText } from '../model/secret.ts'
import type { ShownClash, StatusReport, Verdict } from '../model/status.ts'
import type { Paint } from './colour.ts'

const COLOURS = { good: 'green', busy: 'yellow', bad: 'red' } as const
const MAX_THINGS = 10
const MAX_SIDE = 200

/** What the page shows, for a terminal: figures first, then what needs a person, then what looks for differences. */
export function statusText(report: StatusReport, verdict: Verdict, paint: Paint): string {
  const bad = (count: number): string => (count > 0 ? paint('red', String(count)) : String(count))
  const { queue, clashes, atMs } = report
  const out = [
    `${paint(COLOURS[verdict.level], verdict.title)}: ${safe(verdict.text)}`,
    ...verdict.compared.map(({ by, text }) => `  ${by.padEnd(9)} ${safe(text)}`),
    paint('dim', `staging of ${safe(report.prodHub)}`),
    '',
    `queue       ${queue.live} live, ${queue.sweep} sweep ready; ${queue.claimed} worked on; ${queue.waiting} waiting; ${queue.delayed} tried again later; ${queue.relook} equal, looked at again`,
    `oldest due  ${duration(queue.oldestSeconds)}`,
    `parked      ${bad(queue.parked)}`,
    `clashes     ${bad(clashes.held ?? 0)} held, ${clashes['prod-won'] ?? 0} prod won, ${clashes['local-won'] ?? 0} local won`,
    ...activityLines(report),
    ...daemonLines(report),
    ...parkedLines(report, paint),
    ...clashLines(report, paint),
    ...recentLines(report),
    ...findingLines(report),
    ...placementLines(report),
    ...treeLines(report),
    ...ownedLines(report),
    ...(report.debts > 0 ? [`announcements owed to staging's kojira: ${report.debts}`] : []),
    paint('dim', `read ${new Date(atMs).toISOString().slice(0, 19)}Z`),
  ]
  return out.map((line) => `${line}\n`).join('')
}

function activityLines({ minutes, atMs }: StatusReport): string[] {
  const lines = [5, 60].map((last) => {
    const { arrived, applied, lag } = activityOf(minutes, atMs, last)
    const late =
      lag.count === 0
        ? 'no live change'
        : `lag ${duration(lag.sum / lag.count)}, at most ${duration(lag.max)}`
    return `${`last ${last} min`.padEnd(12)}${plural(arrived, 'message')} came, ${plural(applied, 'key')} made equal, ${late}`
  })
  const plotted = minutes.some(({ lag }) => lag.count > 0)
    ? [`lag, 1 h    ${lagLine({ minutes, atMs })}`]
    : []
  return [...lines, ...plotted]
}

const BLOCKS = '\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588'

/** The largest lag of each minute, an hour long: from 1 ms to 1000 s, logarithmic. */
function lagLine({ minutes, atMs }: Pick<StatusReport, 'minutes' | 'atMs'>): string {
  const cells = Array.from({ length: SHOWN_MINUTES }, () => '\u00b7')
  for (const { atMs: at, lag } of minutes) {
    const age = Math.floor((atMs - at) / MINUTE_MS)
    if (lag.count === 0 || age < 0 || age >= SHOWN_MINUTES) continue
    const height = (Math.log10(Math.max(lag.max, 0.001)) + 3) / 6
    const block = Math.min(BLOCKS.length - 1, Math.max(0, Math.floor(height * BLOCKS.length)))
    cells[SHOWN_MINUTES - 1 - age] = BLOCKS[block] as string
  }
  return cells.join('')
}

function daemonLines({ daemons, atMs }: StatusReport): string[] {
  if (daemons.length === 0) return ['daemons     none']
  return daemons.map(
    ({ host, pid, started }, index) =>
      `${index === 0 ? 'daemons     ' : '            '}${safe(host)} process ${pid}, since ${ago(atMs, Date.parse(started))}`,
  )
}

function parkedLines({ parked, queue }: StatusReport, paint: Paint): string[] {
  if (parked.length === 0) return []
  const more = queue.parked - parked.length
  return [
    '',
    'parked keys',
    ...parked.map(
      ({ key, name, code, reason, attempts, since }) =>
        `  ${title(key, name)}  ${paint('red', safe(code))}: ${safe(reason)} (${attempts} attempts, since ${since})`,
    ),
    ...(more > 0 ? [`  and ${more} more: parked list`] : []),
  ]
}

function clashLines({ clashing, clashes }: StatusReport, paint: Paint): string[] {
  const more = Object.values(clashes).reduce((sum, count) => sum + count, 0) - clashing.clashes.length
  const lines = clashing.clashes.flatMap((clash) => [
    `  ${paint(clash.state === 'held' ? 'red' : 'green', clash.state)}  ${title(clash.key, clash.name)}  ${safe(clash.kind)} ${safe(clash.subject)}`,
    `    prod     ${side(clash.prod)}`,
    `    staging  ${side(clash.local)}`,
  ])
  const decided = clashing.decisions.map(
    ({ key, name, policy, by, host, at }) =>
      `  ${policy}  ${title(key, name)}  by ${safe(by)} on ${safe(host)}, ${at}`,
  )
  return [
    ...(lines.length === 0 ? [] : ['', 'clashes', ...lines]),
    ...(more > 0 ? [`  and ${more} more: clashes list`] : []),
    ...(decided.length === 0 ? [] : ['', 'decided by hand', ...decided]),
  ]
}

function side(value: ShownClash['prod']): string {
  const text = value === null || value === undefined ? 'none' : (JSON.stringify(value) ?? 'none')
  return safe(text.length > MAX_SIDE ? `${text.slice(0, MAX_SIDE)}... (clashes show)` : text)
}

function recentLines({ recent, atMs }: StatusReport): string[] {
  if (recent.length === 0) return []
  return [
    '',
    'lately',
    ...recent
      .slice(0, MAX_THINGS)
      .map(
        ({ atMs: at, what, subject, name, detail }) =>
          `  ${ago(atMs, at).padEnd(11)} ${what}  ${title(subject, name)}${detail === '' ? '' : `  ${safe(detail)}`}`,
      ),
  ]
}

function findingLines({ cursors, scrub, atMs }: StatusReport): string[] {
  return [
    '',
    'catch-up',
    ...cursors.map(
      ({ source, event, time }) =>
        `  ${safe(source)}  ${event === null ? '' : `event ${event}, `}newest change ${time === null ? 'none' : `${ago(atMs, Date.parse(time))} (${time.slice(0, 19)}Z)`}`,
    ),
    ...(cursors.length === 0 ? ['  none'] : []),
    ...(scrub === null ? [] : [`scrub       ${scrubPace(scrub)}`]),
  ]
}

function placementLines({ placements }: StatusReport): string[] {
  const used = placements.filter(({ builds }) => Object.values(builds).some((count) => count > 0))
  return used.map(
    ({ mode, builds, bytes }, index) =>
      `${index === 0 ? 'placement   ' : '            '}${mode}: ${plural(builds.placed, 'build')}, ${byteSize(bytes)} of staging's own; ${builds.intent} coming, ${builds.removing} going`,
  )
}

function treeLines({ tree }: StatusReport): string[] {
  if (tree === null) return []
  const { freeBytes, reserveBytes, full, snapshotAgeSeconds } = tree
  const kept = reserveBytes === null ? '' : `, ${byteSize(reserveBytes)} of it kept so`
  const waits = full ? ': COPIES WAIT FOR ROOM' : ''
  const age = snapshotAgeSeconds === null ? [] : [`snapshot    taken ${duration(snapshotAgeSeconds)} ago`]
  return [`room        ${byteSize(freeBytes)} free${kept}${waits}`, ...age]
}

function ownedLines({ owned, ownedCountedAt }: StatusReport): string[] {
  const entries = Object.entries(owned)
  const head = `owned (counted ${ownedCountedAt ?? 'never'})`
  return [
    head,
    ...(entries.length === 0 ? ['  none'] : entries.map(([kind, count]) => `  ${kind.padEnd(9)} ${count}`)),
  ]
}

/** `build/101 (bash-5.2-1.fc43)` */
function title(key: string, name: string | null): string {
  return name === null || name === key ? safe(key) : `${safe(key)} (${safe(name)})`
}

function safe(text: string): string {
  return printable(maskText(text))
}
