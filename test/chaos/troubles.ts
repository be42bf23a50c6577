import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Trouble } from '../sim/knobs.ts'
import { forged } from './bus.ts'
import { SQLSTATES } from './database-faults.ts'
import type { Dice } from './dice.ts'
import { listening } from './living.ts'
import type { Chaos } from './one-run.ts'
import type { Errno } from './step-faults.ts'

interface TroubleAction {
  readonly weight: number
  run(chaos: Chaos, dice: Dice): Promise<string>
}

/** Steps of somebody who is to be killed: mostly soon, since what goes on is short. */
const LONGEST_LIFE = 400
const MOST_DAEMONS = 2

const HUB: readonly Trouble[] = [
  'http-500',
  'html',
  'truncated',
  'torn-xml',
  'reset',
  'server-offline',
  'retry',
  'wrong-content-type',
]
/** Answers of prod's hub that may lack rows for a while, as when a page is lost. */
const LISTS = [
  'queryHistory',
  'listTagged',
  'listPackages',
  'listTags',
  'listBuilds',
  'listRPMs',
  'queryRPMSigs',
]
const ERRNOS: readonly Errno[] = ['ENOSPC', 'EIO', 'ESTALE', 'EROFS', 'EACCES', 'EDQUOT', 'EMFILE']
const HOUR_MS = 3_600_000

const command =
  (name: 'catch-up' | 'reconcile') =>
  async (chaos: Chaos, dice: Dice): Promise<string> => {
    await chaos.calm.aMinuteLater()
    // Who dies beside it leaves leases that it waits for: their time is over then, it need not pass.
    for (const { ended } of chaos.crew.daemons)
      void ended.then(() => chaos.calm.aMinuteLater()).catch(() => {})
    const life = dice.chance(0.5) ? dice.below(LONGEST_LIFE) : Number.POSITIVE_INFINITY
    const how = await chaos.crew.command(name, life)
    return `${how}${how === 'killed' ? ` after ${life} steps` : ''}, beside ${chaos.crew.daemons.length}`
  }

/** What happens to our processes, the bus, prod's hub, staging's database, the trees and the clocks, and how often. */
const troubles: Readonly<Record<string, TroubleAction>> = {
  daemon: {
    weight: 24,
    run: async (chaos, dice) => {
      const { daemons } = chaos.crew
      if (daemons.length >= MOST_DAEMONS || (daemons.length > 0 && dice.chance(0.6)))
        return `${daemons.length} run`
      if (dice.chance(0.3)) await chaos.calm.aMinuteLater()
      const daemon = await chaos.crew.startDaemon()
      if (daemon !== null && dice.chance(0.7)) await listening(daemon)
      return daemon === null ? 'did not start' : `${daemons.length} run now`
    },
  },
  kill: {
    weight: 14,
    run: async (chaos, dice) => {
      const { crew } = chaos
      // One that does not run is killed while it starts, or soon after.
      const started = crew.daemons.length === 0
      const daemon = started ? await crew.startDaemon() : dice.of(crew.daemons)
      const steps = Math.floor(dice.random() ** 2 * LONGEST_LIFE)
      daemon?.dieIn(steps)
      return `${started ? 'started, ' : ''}in ${steps} steps`
    },
  },
  stop: {
    weight: 2,
    run: async ({ crew }, dice) => {
      await crew.end(dice.of(crew.daemons), 'stop')
      return 'stopped'
    },
  },
  'catch-up': { weight: 3, run: command('catch-up') },
  reconcile: { weight: 2, run: command('reconcile') },
  pause: {
    weight: 16,
    run: async (_chaos, dice) => {
      // Now and then long enough for a daemon to catch up.
      await sleep(dice.chance(0.2) ? 800 : dice.below(80))
      return 'over'
    },
  },
  deliver: {
    weight: 8,
    run: async (chaos) => {
      await chaos.bus.deliver()
      return 'done'
    },
  },
  forge: {
    weight: 3,
    run: async ({ world, prodView }, dice) => {
      const builds = await prodView.builds()
      const id = dice.chance(0.2) ? 999_999 : dice.of(builds).id
      await world.bus.publish(forged(dice.random, id, dice.of([...(await prodView.tags()), 'no-tag'])))
      return 'sent'
    },
  },
  'hub trouble': {
    weight: 4,
    run: async ({ world }, dice) => {
      const [trouble, times] = [dice.of(HUB), 1 + dice.below(4)]
      world.prodHub.knobs.failNext(trouble, times)
      return `${trouble} ${times} times`
    },
  },
  'hub is silent': {
    weight: 1,
    run: async ({ world }) => {
      world.prodHub.knobs.failNext('silent')
      return 'once'
    },
  },
  'lost page': {
    weight: 2,
    run: async ({ world, rows }, dice) => {
      rows.pagesLost = true
      const [method, share] = [dice.of(LISTS), 0.2 + dice.random() * 0.6]
      world.prodHub.knobs.dropRows(method, () => dice.chance(share))
      await sleep(dice.below(300))
      world.prodHub.knobs.keepRows(method)
      return `${method} lacked ${Math.round(share * 100)} %`
    },
  },
  'cut database': {
    weight: 3,
    run: async ({ database, faults }, dice) => {
      const [after, wait] = [dice.below(60), dice.chance(0.5)]
      if (dice.chance(0.3)) await database.cut()
      else faults.cutAfter(after, database.cut, wait)
      return `before statement ${after}`
    },
  },
  'restart database': {
    weight: 2,
    run: async ({ database }, dice) => {
      await database.restart(dice.chance(0.5), () => sleep(dice.below(150)))
      return 'done'
    },
  },
  'lost commit': {
    weight: 2,
    run: async ({ database }) => (database.loseCommit() ? 'the answer to the next one' : 'not on this way'),
  },
  'statement fails': {
    weight: 5,
    run: async ({ database }, dice) => {
      const [sqlstate, after] = [dice.of(SQLSTATES), dice.below(30)]
      await database.failStatement(sqlstate, after)
      return `${sqlstate} after ${after}`
    },
  },
  'read-only database': {
    weight: 1,
    run: async ({ database }, dice) => {
      await database.readOnly(true)
      await sleep(dice.below(200))
      await database.readOnly(false)
      return 'for a moment'
    },
  },
  'disk fails': {
    weight: 4,
    run: async ({ faults }, dice) => {
      const side = dice.chance(0.6) ? 'staging' : 'prod'
      const [errno, left, writesOnly] = [
        dice.of(ERRNOS),
        1 + dice.below(dice.chance(0.7) ? 3 : 40),
        dice.chance(0.6),
      ]
      faults.disk({ side, errno, left, writesOnly: side === 'staging' && writesOnly })
      return `${side} ${errno} ${left} times`
    },
  },
  'slow disk': {
    weight: 1,
    run: async ({ faults }, dice) => {
      faults.slow(20 + dice.below(30), 1 + dice.below(10))
      return 'begun'
    },
  },
  'mount gone': {
    weight: 1,
    run: async ({ world }, dice) => {
      const prod = join(world.root, 'prod')
      await rename(prod, `${prod}.away`)
      await sleep(dice.below(150))
      await rename(`${prod}.away`, prod)
      return 'and back'
    },
  },
  'clock steps': {
    weight: 2,
    run: async (chaos, dice) => {
      const ms = Math.round((dice.random() * 4 - 2) * HOUR_MS)
      const whose = dice.of(['ours', 'prod', 'staging'] as const)
      if (whose === 'ours') chaos.clock.step(ms)
      else await chaos.clock.stepKoji(whose === 'prod' ? chaos.world.prod : chaos.world.local, ms)
      return `${whose} by ${Math.round(ms / 1000)} s`
    },
  },
  begin: { weight: 7, run: (chaos) => chaos.openProd.begin() },
  commit: { weight: 6, run: (chaos, dice) => chaos.openProd.close(dice, 'commit') },
  'roll back': { weight: 2, run: (chaos, dice) => chaos.openProd.close(dice, 'rollback') },
  'local begin': { weight: 3, run: (chaos) => chaos.openLocal.begin() },
  'local commit': { weight: 4, run: (chaos, dice) => chaos.openLocal.close(dice, 'commit') },
  'local roll back': { weight: 1, run: (chaos, dice) => chaos.openLocal.close(dice, 'rollback') },
}

/** Each as often as it is to be drawn. */
export const troubleNames: readonly string[] = Object.entries(troubles).flatMap(([name, { weight }]) =>
  Array.from({ length: weight }, () => name),
)

/** Undefined: none. */
export const troubleAction = (name: string): TroubleAction | undefined => troubles[name]
