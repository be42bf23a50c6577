import { EXIT } from '../errors.ts'

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done, equal, or stopped by a signal',
  error: 'something failed',
  usage: 'wrong command line',
  drift: 'a difference was found',
  held: 'conflicts are held, nothing was written for them',
  bus: 'the bus',
  hub: "prod's hub does not answer",
  database: "staging's database does not answer",
  storage: 'a file tree is missing, full or read-only',
  safety: 'refused for safety: the world looks wrong',
  config: 'the configuration is wrong',
}

/** The EXIT STATUS section of a help text. */
export function exitStatusHelp(codes: readonly number[]): string {
  const lines = Object.entries(EXIT)
    .filter(([, code]) => codes.includes(code))
    .map(([name, code]) => `  ${String(code).padEnd(3)} ${MEANINGS[name as keyof typeof EXIT]}`)
  return `\nEXIT STATUS\n${lines.join('\n')}`
}

/** The KEYS section of `sync`. */
export const SYNC_HELP = `
KEYS
  build/101  build/bash-5.2-1.fc43    a build: rows, rpms, archives, signatures, files
  tag/12  tag/f43                     a tag's settings: extra, inheritance, groups, external repos
  package/f43/bash                    one package's entry in one tag
  tagged/f43/bash                     the ordered list of one package's builds in one tag
  target/f43                          a build target
  external-repo/epel9                 an external repository`

/** What `reconcile` prints. */
export const RECONCILE_HELP = `
OUTPUT
  + missing in staging   - only in staging   ~ different, staging -> prod
  [queued] its key was marked already   [parked] it failed before   [held] a clash, by policy
  --json: {"key", "kind", "subject", "tag", "state", "prod", "staging"}; a side that has none is null

Additions of staging's own are no difference. Beside a daemon, differences are marked and the daemon makes them equal.`

/** What `scrub` does without flags, and prints. */
export const SCRUB_HELP = `
Without --once and --tag it goes on with the rolling pass at the planned rate (scrub.days) until a signal, as \`run\` does by itself.
The position is kept in staging's database. What differs is marked; beside a daemon that makes it equal, else this command does.

OUTPUT
  as of \`reconcile\`; kind \`files\`: files that rows name and prod's tree has not, or torn`

/** What `catch-up` does. */
export const CATCH_UP_HELP = `
Beside a daemon, what is found is marked and the daemon makes it equal; without one, this command does. It ends when that is done.
On a terminal a bar; elsewhere a JSON object a line:
  {"kind":"finding", "source", "done", "of", "rows", "keys"}   {"kind":"converging", "left", "keys"}
  {"kind":"end", "cursor", "rows", "keys", "daemons", "heldKeys", "parkedKeys", "failingKeys", "failures"}
A key that fails again and again is not waited for: it is named at the end, stays in the queue, and is tried again.`

/** What `clashes resolve` means. */
export const RESOLVE_HELP = `
POLICIES
  prod-wins    staging's row goes (it stays in the record), prod's comes; also where staging uses what prod removed
  local-wins   staging's stays, prod's is recorded
  hold         nothing is written for it
  config       the decision is withdrawn: [conflicts] of the configuration counts again
The decision is for all clashes of the key, also later ones. \`clashes list\` shows who decided what.`

/** What `event` answers. */
export const EVENT_HELP = `
Prints an event of staging, for \`--event\` of a compose; or that prod's is not reproducible, why, and the nearest that are. What is
compared: settings, package lists, ordered listings, external repos of the tag and of all that it inherited from then. Koji keeps no
history of what else a build has (rpms, signatures): \`--event\` does not pin that, neither in prod nor in staging.
--json: {"prodEvent", "stagingEvent" or null, "reasons", "nearest": {"below", "above"}}`

/** What `seed` does, step by step. */
export const SEED_HELP = `
--dump makes a new database beside the running one (its name and "_seed"), loads the dump, resets what is prod's own ([seed],
[[principal_rewrite]], [[seed_user]], [[seed_host]], [[external_repo_rewrite]]), and places the builds' files. Staging stays up; nothing of
its database is written. It stops at the first error and leaves nothing behind; the next one starts anew.

--swap carries over what staging made itself, renames the databases in one step and keeps the old one. Daemons may run: they begin anew
with the other database, and catch up from the dump's last event. --rollback takes the last swap back, the same way. --plan says what would
come over and what cannot, by doing it and taking it back. Both may be repeated. --dump and --swap go together in one run.`
