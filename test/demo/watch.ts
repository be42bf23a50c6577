import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from '../sim/ask.ts'
import type { Change } from './changes.ts'
import { compareFiles } from './files.ts'
import type { Koji, Stage } from './stage.ts'

const giveUpMs = 30_000

/** A change that staging has. */
export interface Seen {
  /** From the moment the message left (without one: prod's commit) until staging's hub answered with the change. */
  readonly delayMs: number
  /** Files of the change's build that were equal in that moment, if it names one. */
  readonly files: number | undefined
}

/** Prod's answer before a change. Throws when staging does not give the same. */
export async function answerBefore(stage: Stage, change: Change): Promise<string> {
  const before = await answerOf(stage.prod, change)
  if ((await answerOf(stage.staging, change)) === before) return before
  throw new Error(`${change.title}: staging was not equal before`)
}

/** Makes a change in prod. Returns when its first message left; where none did, when prod had committed (performance.now). */
export async function make(stage: Stage, change: Change): Promise<number> {
  stage.announcing.firstMs = undefined
  await change.make(stage.world)
  const { deliver, firstMs } = stage.announcing
  return (deliver ? firstMs : undefined) ?? performance.now()
}

/**
 * Asks staging's hub again and again until it shows the change that was made. Throws when the change changed no answer, when it
 * does not come, or when files are missing in the moment it shows.
 */
export async function watch(
  stage: Stage,
  change: Change,
  from: { readonly before: string; readonly startMs: number; readonly pollMs: number },
): Promise<Seen> {
  // Staging is asked before it is known what prod says, so that the first sight is not missed.
  const firstSight = new Map<string, number>()
  let wanted: string | undefined
  const asked = answerOf(stage.prod, change).then((answer) => {
    wanted = answer
  })
  while (wanted === undefined || !firstSight.has(wanted)) {
    const answer = await answerOf(stage.staging, change)
    if (!firstSight.has(answer)) firstSight.set(answer, performance.now())
    if (performance.now() - from.startMs > giveUpMs)
      throw new Error(`${change.title}: not in staging after ${giveUpMs / 1000} s\n${stage.daemon.lastLog()}`)
    stage.signal.throwIfAborted()
    await sleep(from.pollMs)
  }
  await asked
  if (wanted === from.before) throw new Error(`${change.title}: changed nothing in prod`)
  const files = change.files === undefined ? undefined : await equalFiles(stage, change.files)
  return { delayMs: (firstSight.get(wanted) as number) - from.startMs, files }
}

async function answerOf(koji: Koji, { question: [method, ...params], pick }: Change): Promise<string> {
  return JSON.stringify(pick(await ask(koji.hub.url, method, ...params)))
}

async function equalFiles(stage: Stage, nvr: string): Promise<number> {
  const { files, differences } = await compareFiles(stage.prod, stage.staging, nvr)
  if (differences.length > 0) throw new Error(`${nvr} is visible, but its files differ: ${differences[0]}`)
  return files
}
