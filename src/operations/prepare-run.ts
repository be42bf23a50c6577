import { hostname } from 'node:os'
import { ConfigError } from '../errors.ts'
import { listDaemons } from '../staging/daemons.ts'
import { refuseUnsafeStorage } from './run.ts'
import type { World } from './world.ts'

/**
 * Whether a daemon could work with this configuration in place of the one that this process runs now. Connects, reads, joins nobody,
 * writes nothing. Throws as `runDaemon` does, ConfigError DAEMON_OTHER_POLICY for daemons of other processes.
 */
export async function prepareRun(world: World): Promise<void> {
  const { database } = await world.engine()
  await refuseUnsafeStorage(world)
  await refuseBus(world)
  const ours = (daemon: { host: string; pid: number }): boolean =>
    daemon.host === hostname() && daemon.pid === process.pid
  const other = (await listDaemons(database)).find((one) => !ours(one) && one.digest !== world.digest)
  if (other === undefined) return
  const { host, pid } = other
  throw new ConfigError(
    'DAEMON_OTHER_POLICY',
    `the daemon on ${host} (pid ${pid}) works with another scope or policy; such a change needs all but one of them stopped`,
    { detail: { host, pid } },
  )
}

/** What messages are checked against must be there; nothing is subscribed to. */
async function refuseBus(world: World): Promise<void> {
  const bus = world.bus({
    mark: async () => {},
    catchUp: () => {},
    packageId: () => null,
    turned: () => {},
  })
  await bus.destroy()
  const check = await world.checkSignatures()
  if (check.status === 'fail') throw new ConfigError('BUS_TRUST', `${check.message}; ${check.todo}`)
}
