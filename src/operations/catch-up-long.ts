import type { CatchUpReport } from '../catchup/catch-up.ts'
import type { Config } from '../config/config.ts'
import { DailyTask } from './daily-task.ts'
import type { Engine } from './world.ts'

/** The catch-up that goes back further, once a day. */
export interface LongCatchUp {
  readonly task: DailyTask
  readonly overlapMs: number
}

/** null: the configuration wants none. */
export function longCatchUp({ catchUp }: Pick<Config, 'catchUp'>, { database }: Engine): LongCatchUp | null {
  const { longAt: at, longOverlapMs, overlapMs } = catchUp
  if (at === null) return null
  const task = new DailyTask({ database, task: 'long-catch-up', at, jitterMs: 0, random: Math.random })
  return { task, overlapMs: Math.max(longOverlapMs, overlapMs) }
}

/** One turn of the daemon's catch-up: the long one where that is due. */
export async function catchUpOnce(
  { catchUp }: Pick<Engine, 'catchUp'>,
  long: LongCatchUp | null,
  signal: AbortSignal,
  onTurn: () => void,
): Promise<CatchUpReport> {
  let report: CatchUpReport | null = null
  await long?.task.run(async () => {
    report = await catchUp.run(signal, { overlapMs: long.overlapMs, onTurn })
  })
  return report ?? catchUp.run(signal, { onTurn })
}
