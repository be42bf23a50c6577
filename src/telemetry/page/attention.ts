import { countsText } from '../../model/human.ts'
import type { ShownClash, ShownParked, StatusReport } from '../../model/status.ts'
import { Html, html } from './html.ts'

/** Of one value of one side; the command shows all of it. */
const MAX_VALUE = 1000
const MAX_FIELDS = 40
const MAX_SHOWN = 50
/** Held ones that are shown whole; the others open when they are touched. */
const MAX_OPEN = 3

/** Clashes with both sides; those that policy holds are open. */
export function clashPart({ clashing, clashes }: StatusReport): Html {
  const counts = countsText(clashes)
  const [held, others] = [true, false].map((is) =>
    clashing.clashes.filter(({ state }) => (state === 'held') === is),
  ) as [ShownClash[], ShownClash[]]
  const decisions = clashing.decisions.map(
    ({ key, name, policy, by, host, at }) =>
      html`<li>${policy} <code>${name ?? key}</code> <small>by ${by} on ${host}, ${at}</small></li>`,
  )
  const more = Object.values(clashes).reduce((sum, count) => sum + count, 0) - clashing.clashes.length
  return html`<section id="clashes" class="${counts === '' && decisions.length === 0 ? 'half' : 'wide'}"><h2>Clashes</h2><p class="mute">${counts === '' ? 'none stands' : counts}</p>
<ul>${[...held, ...others].slice(0, MAX_SHOWN).map((one, i) => clash(one, i < MAX_OPEN))}</ul>${more > 0 ? html`<p class="mute">and ${more} more: <code>clashes list</code></p>` : null}${decisions.length === 0 ? null : html`<h3>Decided by hand</h3><ul>${decisions}</ul>`}</section>`
}

function clash(
  { key, name, subject, kind, state, prod, local, firstSeen }: ShownClash,
  first: boolean,
): Html {
  const held = state === 'held'
  return html`<li><details${held && first ? new Html(' open') : null}><summary><span class="${held ? 'fail' : 'pass'}">${state}</span> <code>${name ?? key}</code> ${kind} <small>${subject}, since ${firstSeen.slice(0, 19)}</small></summary>
${sides(prod, local)}<p class="mute">To decide: <code>koji-staging-sync clashes resolve ${key} prod-wins|local-wins|hold</code></p></details></li>`
}

/** Two rows of a table field by field, what differs marked; other values as they are. */
function sides(prod: unknown, local: unknown): Html {
  const [a, b] = [fields(prod), fields(local)]
  const names = [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])]
  const head = html`<tr><th></th><th>prod</th><th>staging</th></tr>`
  if (names.length === 0) {
    return html`<table class="sides">${head}<tr class="other"><th></th><td>${value(prod)}</td><td>${value(local)}</td></tr></table>`
  }
  const rows = names.slice(0, MAX_FIELDS).map((name) => {
    const [left, right] = [a?.[name], b?.[name]]
    const other = JSON.stringify(left) !== JSON.stringify(right)
    return html`<tr class="${other ? 'other' : 'same'}"><th>${name}</th><td>${a === null ? 'none' : value(left)}</td><td>${b === null ? 'none' : value(right)}</td></tr>`
  })
  const more = names.length - MAX_FIELDS
  return html`<table class="sides">${head}${rows}</table>${more > 0 ? html`<p class="mute">and ${more} more fields: <code>clashes show</code></p>` : null}`
}

function fields(side: unknown): Readonly<Record<string, unknown>> | null {
  return typeof side === 'object' && side !== null && !Array.isArray(side)
    ? (side as Readonly<Record<string, unknown>>)
    : null
}

function value(of: unknown): string {
  if (of === null || of === undefined) return 'none'
  const text = typeof of === 'string' ? of : (JSON.stringify(of) ?? 'none')
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)} ... (clashes show prints all of it)` : text
}

/** Parked keys with why, and what to do about it. */
export function parkedPart({ parked, queue }: StatusReport): Html {
  const more = queue.parked - parked.length
  const item = ({ key, name, code, reason, attempts, since, retryAt }: ShownParked): Html =>
    html`<li><code>${name ?? key}</code> <span class="fail">${code}</span><p>${reason}</p><small>${key}, ${attempts} attempts, since ${since.slice(0, 19)}, again at ${retryAt.slice(0, 19)}; <code>errors ${code}</code>, <code>parked retry ${key}</code></small></li>`
  return html`<section id="parked" class="${parked.length === 0 ? 'half' : 'wide'}"><h2>Parked keys</h2>${parked.length === 0 ? html`<p class="mute">none</p>` : html`<ul>${parked.map(item)}</ul>`}${more > 0 ? html`<p class="mute">and ${more} more: <code>parked list</code></p>` : null}</section>`
}
