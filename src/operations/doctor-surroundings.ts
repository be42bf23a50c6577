import { asError } from '../errors.ts'
import type { Check } from '../model/operations.ts'
import { compilePatterns, idlePatterns } from '../model/pattern.ts'
import { isUsable, type ServerFacts, serverProblems } from '../staging/server.ts'
import { fail, ok, warn } from './doctor-check.ts'

/** What a part of the surroundings told of itself; judged here, pure, so that each verdict can be seen in a test. */

const DAY_MS = 86_400_000
const CERTIFICATE_WARNING_DAYS = 14
/** Of the web server's `Date`, which has whole seconds. */
const CLOCK_WARNING_MS = 5_000
/** Beyond it certificates, lists and times that people type mean something else on each host. */
const CLOCK_FAILURE_MS = 300_000

/** `engines` of package.json: what older ones lack. */
const NODE = { major: 20, minor: 19 }
/** PostgreSQL's oldest that was tried. */
const POSTGRES_MAJOR = 15

export function judgeNode(version: string): Check {
  const name = 'program.node'
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const enough = major > NODE.major || (major === NODE.major && minor >= NODE.minor)
  if (enough) return ok(name, `Node ${version}`)
  return fail(name, `Node ${version}`, `install ${NODE.major}.${NODE.minor} or newer`)
}

export function judgePostgres(version: string, user: string): Check {
  const name = 'database.reachable'
  const message = `PostgreSQL ${version} as ${user}`
  if (Number.parseInt(version, 10) >= POSTGRES_MAJOR) return ok(name, message)
  return warn(name, message, `${POSTGRES_MAJOR} and newer were tested`)
}

/** What of the server's settings our promises rest on. */
export function judgeServer(facts: ServerFacts): Check {
  const name = 'database.server'
  const problems = serverProblems(facts)
  if (problems.length === 0) return ok(name, 'its settings are as they should be')
  const todo = 'set them in postgresql.conf, or name the primary in staging.database'
  return (isUsable(facts) ? warn : fail)(name, problems.join('; '), todo)
}

/** How far another clock is from this host's, in milliseconds: positive where it is ahead. Null: it does not tell. */
export function judgeClock(whose: 'hub' | 'database', aheadMs: number | null): Check {
  const name = `${whose}.clock`
  const what = whose === 'hub' ? "prod's hub" : "staging's database"
  if (aheadMs === null) return warn(name, `${what} does not tell its time`, 'compare the clocks by hand')
  const seconds = (Math.abs(aheadMs) / 1000).toFixed(1)
  const message =
    Math.abs(aheadMs) < 1_000
      ? `${what} and this host agree within a second`
      : `${what} is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this host`
  const todo =
    'see that both hosts follow a time server (chronyc tracking): lag, certificates and --since go by clocks'
  if (Math.abs(aheadMs) >= CLOCK_FAILURE_MS) return fail(name, message, todo)
  return Math.abs(aheadMs) >= CLOCK_WARNING_MS ? warn(name, message, todo) : ok(name, message)
}

/** `endMs` null: no TLS. */
export function judgeCertificate(endMs: number | null, nowMs: number): Check {
  const name = 'hub.certificate'
  if (endMs === null)
    return warn(name, 'no TLS: whoever is between can change answers', 'use an https address in prod.hub')
  const day = new Date(endMs).toISOString().slice(0, 10)
  if (endMs <= nowMs)
    return fail(name, `ended on ${day}`, "have prod's certificate renewed, or look at this host's clock")
  const days = Math.floor((endMs - nowMs) / DAY_MS)
  if (days < CERTIFICATE_WARNING_DAYS)
    return warn(name, `ends on ${day}, in ${days} days`, "see that prod's certificate is renewed")
  return ok(name, `in force until ${day}`)
}

/** How fast the hub answers one small call after the other, and what the configuration lets us ask of it. */
export function judgeRate(
  answersMs: readonly number[],
  allowed: { readonly requestsPerSecond: number; readonly concurrency: number },
): Check {
  const name = 'hub.rate'
  const median = answersMs.toSorted((a, b) => a - b)[Math.floor(answersMs.length / 2)] ?? 0
  const possible = (allowed.concurrency * 1000) / Math.max(median, 0.1)
  const message =
    `answers in ${median.toFixed(0)} ms; ` +
    `at most ${allowed.requestsPerSecond} requests a second are asked, ${allowed.concurrency} at a time`
  if (median >= 1_000)
    return warn(name, message, "changes take seconds to come: see the load of prod's hub, and the way to it")
  if (possible < allowed.requestsPerSecond / 2)
    return warn(
      name,
      message,
      `no more than ${possible.toFixed(0)} a second can be had so; raise prod.concurrency if prod admits it`,
    )
  return ok(name, message)
}

/** `map` is prod.volumes. A volume that it does not name keeps its name in staging. */
export function judgeVolumes(prod: readonly string[], map: Readonly<Record<string, string>>): Check {
  const name = 'hub.volumes'
  const unknown = Object.keys(map).filter((volume) => !prod.includes(volume))
  const unnamed = prod.filter((volume) => !Object.hasOwn(map, volume))
  const message = prod.map((volume) => `${volume} to ${map[volume] ?? volume}`).join(', ')
  if (unknown.length > 0)
    return fail(
      name,
      `prod.volumes names ${unknown.join(', ')}, which prod does not have (it has ${prod.join(', ')})`,
      'mend prod.volumes',
    )
  if (unnamed.includes('DEFAULT'))
    return fail(
      name,
      "prod.volumes does not name DEFAULT, where prod's builds are by default",
      'add DEFAULT = "prod" to prod.volumes',
    )
  if (unnamed.length > 0)
    return warn(
      name,
      message,
      `name ${unnamed.join(', ')} in prod.volumes, so that no volume of staging's own is taken for it`,
    )
  return ok(name, message)
}

/** `names`: of prod's tags. `patterns`: scope.tags. */
export function judgeScope(names: readonly string[], patterns: readonly string[]): Check {
  const name = 'hub.scope'
  const idle = idlePatterns(patterns, names)
  const found = `of ${names.length} tags of prod, ${names.filter(compilePatterns(patterns)).length} match scope.tags`
  if (idle.length === 0) return ok(name, found)
  return warn(name, `${found}; none matches ${idle.join(', ')}`, 'see whether scope.tags is mistyped')
}

/** `endpoints`: those of the configuration. */
export function judgeBus(
  endpoints: readonly string[],
  seen: { readonly connected: number; readonly messages: number; readonly listenMs: number },
): Check[] {
  const reachable = 'bus.reachable'
  if (endpoints.length === 0)
    return [
      warn(
        reachable,
        'none configured: changes are found by catch-up alone, once a minute',
        'set bus.fedmsg.endpoints if there is a bus',
      ),
    ]
  const message = `${seen.connected} of ${endpoints.length} connected: ${endpoints.join(', ')}`
  const todo = 'see bus.fedmsg.endpoints, and whether a firewall is between'
  if (seen.connected === 0) return [fail(reachable, message, todo)]
  const first = seen.connected < endpoints.length ? warn(reachable, message, todo) : ok(reachable, message)
  const seconds = seen.listenMs / 1000
  if (seen.messages > 0) return [first, ok('bus.talking', 'messages come')]
  return [
    first,
    warn(
      'bus.talking',
      `no message of any topic in ${seconds} s`,
      'on a busy bus see that these are publishers (not relays that are fed); --listen waits longer',
    ),
  ]
}

/** A check that may not be able to look. */
export async function looking(name: string, todo: string, look: () => Promise<Check>): Promise<Check> {
  try {
    return await look()
  } catch (error) {
    return fail(name, asError(error), todo)
  }
}
