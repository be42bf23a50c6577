import { scrubPace } from '../../model/compared.ts'
import { ago, byteSize, duration } from '../../model/human.ts'
import type { StatusReport } from '../../model/status.ts'
import { type Html, html } from './html.ts'

/** How far the finders are; what they found stands beneath the headline. */
export function findingPart({ cursors, scrub, debts, atMs }: StatusReport): Html {
  const lines: Html[] = []
  for (const { source, event, time } of cursors) {
    const age = time === null ? 'nothing read' : `its newest change is from ${ago(atMs, Date.parse(time))}`
    lines.push(
      html`<li>catch-up, ${source} <small>${event === null ? null : `event ${event}; `}${age}</small></li>`,
    )
  }
  if (cursors.length === 0) lines.push(html`<li>catch-up <small>has read nothing yet</small></li>`)
  if (scrub !== null) lines.push(html`<li>scrub <small>${scrubPace(scrub)}</small></li>`)
  if (debts > 0) lines.push(html`<li>announcements owed to staging's kojira: ${debts}</li>`)
  return html`<section><h2>What looks for differences</h2><ul>${lines}</ul></section>`
}

/** Where builds' files stand. */
export function placementPart({ placements, tree }: StatusReport): Html {
  const rows = placements
    .filter(({ builds }) => Object.values(builds).some((count) => count > 0))
    .map(
      ({ mode, builds, bytes }) =>
        html`<tr><th>${mode}</th><td>${builds.placed}</td><td>${builds.intent}</td><td>${builds.removing}</td><td>${byteSize(bytes)}</td></tr>`,
    )
  const table = html`<table class="numbers"><tr><th></th><th>builds</th><th>coming</th><th>going</th><th>own bytes</th></tr>${rows}</table>`
  return html`<section><h2>Files by placement</h2>${rows.length === 0 ? html`<p class="mute">no build is placed</p>` : table}${room(tree)}</section>`
}

/** Space in staging's tree, and how old a snapshot is. */
function room(tree: StatusReport['tree']): Html | null {
  if (tree === null) return null
  const { freeBytes, reserveBytes, full, snapshotAgeSeconds } = tree
  const kept = reserveBytes === null ? '' : `, ${byteSize(reserveBytes)} of it kept so`
  const age = snapshotAgeSeconds === null ? '' : `; snapshot taken ${duration(snapshotAgeSeconds)} ago`
  return html`<p class="mute">${byteSize(freeBytes)} free${kept}${age}</p>${full ? html`<p class="fail">copies wait for room</p>` : null}`
}
