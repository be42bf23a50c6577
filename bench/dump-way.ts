import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { SystemPostgres } from './system-postgres.ts'

/**
 * Today's way: staging's database is dropped, a dump of prod's goes straight into a new one, and a script takes away what must not run
 * in staging. Milliseconds from the drop to the end of the script: so long nobody can use staging.
 */
export async function replaceByDump(
  server: SystemPostgres,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<number> {
  const begun = performance.now()
  await server.execute('postgres', `drop database ${to}`)
  await server.execute('postgres', `create database ${to}`)
  const dump = spawn(server.program('pg_dump'), ['--no-owner', '--no-privileges', server.url(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const flags = ['--no-psqlrc', '--quiet', '--output', '/dev/null', '--set', 'ON_ERROR_STOP=1']
  const load = spawn(server.program('psql'), [...flags, server.url(to)], {
    stdio: [dump.stdout, 'ignore', 'inherit'],
  })
  const codes = await Promise.all([once(dump, 'exit'), once(load, 'exit')])
  if (codes.some(([code]) => code !== 0))
    throw new Error(`pg_dump and psql ended with ${codes.map(([code]) => code)}`)
  await server.execute(to, RESET)
  return performance.now() - begun
}

/** What such scripts do: sessions and tasks end, hosts and credentials go, nobody is notified. */
const RESET = `
  delete from sessions;
  update task set state = 3 where state in (0, 1, 4);
  delete from host_channels;
  update host_config set enabled = false where active;
  delete from user_krb_principals;
  update users set password = null;
  delete from build_notifications;
  update external_repo_config set url = replace(url, '://', '://stg.') where active;
  update tag_config set perm_id = null where active;
  update repo set state = 3 where state in (0, 1);`
