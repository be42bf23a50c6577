import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from '../sim/ask.ts'
import type { Change } from './changes.ts'
import { compareFiles } from './files.ts'
import type { Koji, Stage } from './stage.ts'

const giveUpMs = 20_000

/** A change that staging has. */
export interface Seen {
  /** From the moment the message left (without one: prod's commit) until staging's hub answered with the change. */
  readonly delayMs: number
  /** Files of the change's build that were equal in that moment, if it names one. */
  readonly files: number | undefined
}

/**
 * Makes a change in prod, asks staging's hub again and again, and says how long it took. Throws when staging was not equal
 * before, when the change changes no answer, when it does not come, or when files are missing in the moment it shows.
 */
export async function makeAndWatch(stage: Stage, change: Change, pollMs: number): Promise<Seen> {
  const before = await answerOf(stage.prod, change)
  if ((await answerOf(stage.staging, change)) !== before)
    throw new Error(`${change.title}: staging was not equal before`)
  stage.announcing.firstMs = undefined
  await change.make(stage.world)
  const { deliver, firstMs } = stage.announcing
  const startMs = (deliver ? firstMs : undefined) ?? performance.now()
  // Asked at once, before it is known what prod says, so that the first sight is not missed.
  const firstSight = new Map<string, number>()
  let wanted: string | undefined
  const asked = answerOf(stage.prod, change).then((answer) => {
    wanted = answer
  })
  while (wanted === undefined || !firstSight.has(wanted)) {
    const answer = await answerOf(stage.staging, change)
    if (!firstSight.has(answer)) firstSight.set(answer, performance.now())
    if (performance.now() - startMs > giveUpMs)
      throw new Error(`${change.title}: not in staging after ${giveUpMs / 1000} s\n${stage.daemon.lastLog()}`)
    stage.signal.throwIfAborted()
    await sleep(pollMs)
  }
  await asked
  if (wanted === before) throw new Error(`${change.title}: changed nothing in prod`)
  const files = change.files === undefined ? undefined : await equalFiles(stage, change.files)
  return { delayMs: (firstSight.get(wanted) as number) - startMs, files }
}

async function answerOf(koji: Koji, { question: [method, ...params], pick }: Change): Promise<string> {
  return JSON.stringify(pick(await ask(koji.hub.url, method, ...params)))
}

async function equalFiles(stage: Stage, nvr: string): Promise<number> {
  const { files, differences } = await compareFiles(stage.prod, stage.staging, nvr)
  if (differences.length > 0) throw new Error(`${nvr} is visible, but its files differ: ${differences[0]}`)
  return files
}
