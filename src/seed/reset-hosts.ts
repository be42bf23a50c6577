import type { ResetContext, SeedHost } from './reset.ts'
import { ensureNamed, ensurePrincipals, ensureUser, USERTYPE } from './reset-people.ts'
import { createRow, revokeRows } from './versioned-row.ts'

/** Staging's builders: enabled with what is configured, also where prod has a host of that name. */
export async function openHosts(context: ResetContext): Promise<void> {
  for (const host of context.wishes.hosts) await openHost(context, host)
}

async function openHost(context: ResetContext, host: SeedHost): Promise<void> {
  const { session, report } = context
  const userId = await ensureUser(context, host.name, USERTYPE.host)
  await ensurePrincipals(context, userId, host.principals)
  const [there] = await session.query<{ id: number }>('seed.host', 'select id from host where name = $1', [
    host.name,
  ])
  const [{ id }] =
    there !== undefined
      ? [there]
      : ((await session.query<{ id: number }>(
          'seed.host-new',
          'insert into host (user_id, name, task_load, ready) values ($1, $2, 0, false) returning id',
          [userId, host.name],
        )) as [{ id: number }])
  await revokeRows(context, 'host_config', 'host_id = $3', [id])
  await createRow(context, 'host_config', {
    host_id: id,
    arches: host.arches.join(' '),
    capacity: host.capacity,
    enabled: true,
  })
  await revokeRows(context, 'host_channels', 'host_id = $3', [id])
  for (const channel of new Set(host.channels)) {
    await createRow(context, 'host_channels', {
      host_id: id,
      channel_id: await ensureNamed(context, 'channels', channel),
    })
  }
  report.add('host', there === undefined ? 'added' : "prod's of that name taken for staging", 1)
}

/** All others: prod's builders must not be given staging's tasks. */
export async function disableHosts(context: ResetContext): Promise<void> {
  const { session, catalog, report, event, userId } = context
  const skip = ['create_event', 'revoke_event', 'creator_id', 'revoker_id', 'active', 'enabled']
  const columns = catalog
    .columns('host_config')
    .map(({ name }) => name)
    .filter((name) => !skip.includes(name))
  const enabled = 'enabled and create_event <> $1::int'
  const ids = await session.query<{ id: number }>(
    'seed.hosts-enabled',
    `select host_id as id from host_config where active and ${enabled}`,
    [event],
  )
  const list = ids.map(({ id }) => id)
  await revokeRows(context, 'host_config', 'host_id = any($3::int[])', [list])
  await session.change(
    'seed.hosts-disable',
    `insert into host_config (${columns.join(', ')}, enabled, create_event, creator_id, active)
     select ${columns.join(', ')}, false, $1::int, $2::int, true
       from host_config where host_id = any($3::int[]) and revoke_event = $1::int`,
    [event, userId, list],
  )
  await session.change(
    'seed.hosts-idle',
    'update host set ready = false, task_load = 0 where ready or task_load <> 0',
  )
  report.add('host_config', 'hosts disabled', list.length)
}
