import { readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import { findCombinationProblems } from './checks.ts'
import type { Config, PlacementRule, TagRewriteRule, TimeOfDay } from './config.ts'
import { type Override, readAssignments, readEnvironment } from './environment.ts'
import { parseListen } from './listen.ts'
import type { Settings } from './options.ts'
import { type DatabaseAccess, readDatabaseAccess } from './password.ts'
import { configError, type Problem } from './problems.ts'
import { checkSettings } from './schema.ts'
import { findTreeProblems } from './trees.ts'

export interface LoadOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `NAME=VALUE` of `--set`; they win over the environment, which wins over the file. */
  readonly assignments?: readonly string[]
}

const MAX_FILE_BYTES = 1024 * 1024

/**
 * The effective configuration, frozen. Throws ConfigError CONFIG_INVALID that names every problem at once: unreadable
 * file, invalid TOML, unknown names, wrong types, what cannot go together.
 */
export function loadConfig(options: LoadOptions): Config {
  const raw = readTable(options.file)
  const environment = readEnvironment(options.env)
  const assigned = readAssignments(options.assignments ?? [])
  const problems: Problem[] = [...environment.problems, ...assigned.problems]
  const overrides = [...environment.overrides, ...assigned.overrides]
  for (const override of overrides) set(raw, override)

  const checked = checkSettings(raw)
  if (!checked.ok) problems.push(...checked.problems)
  problems.push(...findCombinationProblems(checked.settings), ...findTreeProblems(checked.settings))
  const { database, database_password_file: file } = checked.settings.staging
  const access =
    database === undefined ? null : readDatabaseAccess(database, file ?? null, options.env, problems)
  if (!checked.ok || access === null || problems.length > 0) {
    throw configError(
      options.file,
      problems.map((problem) => withSource(problem, overrides)),
    )
  }
  return deepFreeze(toConfig(checked.settings, access))
}

function readTable(file: string): Record<string, unknown> {
  const fail = (message: string) => configError(file, [{ path: '', message }])
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    const words: Record<string, string> = {
      ENOENT: 'there is no such file',
      EACCES: 'must not be read by this user',
      EISDIR: 'is a directory',
    }
    throw fail(`${words[code] ?? 'cannot be read'} (${code})`)
  }
  if (bytes.length > MAX_FILE_BYTES) throw fail(`is larger than ${MAX_FILE_BYTES} bytes`)
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof TomlError)) throw fail('is not UTF-8 text')
    // Only the first line: those after it quote the file, which may hold a password.
    const [what = ''] = error.message.split('\n')
    const plain = what.replace(/^Invalid TOML document: /, '')
    throw fail(`line ${error.line}, column ${error.column}: not TOML: ${plain}`)
  }
}

function set(raw: Record<string, unknown>, { path, value }: Override): void {
  const names = path.split('.')
  const last = names.pop() as string
  let table = raw
  for (const name of names) {
    if (!Object.hasOwn(table, name)) table[name] = {}
    const next = table[name]
    // A section that is no table is reported as that.
    if (typeof next !== 'object' || next === null) return
    table = next as Record<string, unknown>
  }
  table[last] = value
}

function withSource(problem: Problem, overrides: readonly Override[]): Problem {
  const override = overrides.findLast(({ path }) => {
    const next = problem.path.charAt(path.length)
    return problem.path.startsWith(path) && ['', '.', '['].includes(next)
  })
  if (override === undefined) return problem
  return { path: problem.path, message: `${problem.message} (from ${override.source})` }
}

function toConfig(settings: Settings, access: DatabaseAccess): Config {
  const { prod, staging, copy, files, scope, worker, catch_up: catchUp, in_place: inPlace } = settings
  const bus = settings['bus.fedmsg']
  return {
    prod: {
      hub: prod.hub,
      topdir: prod.topdir,
      topurl: prod.topurl,
      linkTarget: prod.link_target,
      caFile: prod.ca_file,
      requestsPerSecond: prod.requests_per_second,
      concurrency: prod.concurrency,
      timeoutMs: toMs(prod.timeout_seconds),
      historyTimeoutMs: toMs(Math.max(prod.timeout_seconds, prod.history_timeout_seconds)),
      volumes: prod.volumes,
      allowWritableMount: prod.allow_writable_mount,
    },
    staging: {
      database: access.url,
      databasePassword: access.password,
      caFile: staging.ca_file,
      hub: staging.hub,
      topdir: staging.topdir,
      user: staging.user,
      idFloor: staging.id_floor,
      poolSize: staging.pool_size,
    },
    bus: {
      fedmsg: {
        endpoints: bus.endpoints,
        topicPrefix: bus.topic_prefix,
        instance: bus.instance,
        baseUrl: bus.base_url,
        validateSignatures: bus.validate_signatures,
        ca: bus.ca,
        crl: bus.crl,
        policyFile: bus.policy_file,
        nitpicky: bus.nitpicky,
        backends: bus.backends,
        silenceTimeoutMs: toMs(bus.silence_timeout_seconds),
      },
      datagrepper: {
        url: settings['bus.datagrepper'].url,
        lookbackSeconds: settings['bus.datagrepper'].lookback_seconds,
        validateSignatures: settings['bus.datagrepper'].validate_signatures,
      },
    },
    copy: {
      arches: copy.arches,
      signedKeys: copy.signed_keys,
      sigcache: copy.sigcache,
      logs: copy.logs,
      bytesPerSecond: copy.bytes_per_second === 0 ? null : copy.bytes_per_second,
      openTransfers: copy.open_transfers,
      reflink: copy.reflink,
      hardlink: copy.hardlink,
      fsync: copy.fsync,
      reserveBytes: copy.reserve_bytes,
      fileMode: Number.parseInt(copy.file_mode, 8),
    },
    files: {
      uid: files.uid,
      gid: files.gid,
      directoryMode: files.directory_mode === null ? null : Number.parseInt(files.directory_mode, 8),
    },
    inPlace: {
      stamp: inPlace.stamp,
      refreshCommand: inPlace.refresh_command,
      refreshTimeoutMs: toMs(inPlace.refresh_timeout_seconds),
    },
    scope: { tags: scope.tags, excludeTags: scope.exclude_tags, builds: scope.builds },
    placement: settings.placement.map(
      (rule): PlacementRule => ({
        tags: rule.tags ?? null,
        packages: rule.packages ?? null,
        btypes: rule.btypes ?? null,
        mode: rule.mode,
      }),
    ),
    conflicts: {
      build: settings.conflicts.build,
      tag: settings.conflicts.tag,
      onRemoved: settings.conflicts.on_removed,
    },
    seed: toSeed(settings),
    externalRepoRewrite: settings.external_repo_rewrite,
    tagRewrite: settings.tag_rewrite.map(
      (rule): TagRewriteRule => ({
        tags: rule.tags,
        arches: rule.arches ?? null,
        extra: {
          ...rule.extra,
          ...Object.fromEntries((rule.remove_extra ?? []).map((name) => [name, null])),
        },
      }),
    ),
    worker: { concurrency: worker.concurrency, shutdownGraceMs: toMs(worker.shutdown_grace_seconds) },
    catchUp: {
      intervalMs: toMs(catchUp.interval_seconds),
      restFactor: catchUp.rest_factor,
      overlapMs: toMs(catchUp.overlap_seconds),
      longAt: toTimeOfDay(catchUp.long_at),
      longOverlapMs: toMs(catchUp.long_overlap_seconds),
    },
    reconcile: {
      at: toTimeOfDay(settings.reconcile.at),
      jitterMs: toMs(settings.reconcile.jitter_seconds),
    },
    scrub: {
      days: settings.scrub.days,
      buildsPerSecond: settings.scrub.builds_per_second,
    },
    retention: {
      clashDays: settings.retention.resolved_clash_days,
      checkpointDays: settings.retention.checkpoint_days,
      checkpointsPerKey: settings.retention.checkpoints_per_key,
    },
    http: { listen: parseListen(settings.http.listen), lingerMs: toMs(settings.http.linger_seconds) },
    log: settings.log,
  }
}

/** Of `HH:MM`; null: off. */
function toTimeOfDay(text: string): TimeOfDay | null {
  if (text === 'off') return null
  const [hour, minute] = text.split(':').map(Number)
  return { hour: hour as number, minute: minute as number }
}

function toMs(seconds: number): number {
  return Math.round(seconds * 1000)
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}

function toSeed({ seed, principal_rewrite, seed_user, seed_host }: Settings): Config['seed'] {
  return {
    leftOut: seed.left_out,
    jobs: seed.jobs,
    ownTables: seed.own_tables,
    maintenanceDatabase: seed.maintenance_database,
    channels: seed.channels,
    keepGrants: seed.keep_grants,
    principalRewrite: principal_rewrite,
    users: seed_user.map(
      ({ name, permissions = [], content_generators: contentGenerators = [], principals = [] }) => ({
        name,
        permissions,
        contentGenerators,
        principals,
      }),
    ),
    hosts: seed_host.map(({ name, arches, channels = ['default'], capacity = 2, principals = [] }) => ({
      name,
      arches,
      channels,
      capacity,
      principals,
    })),
  }
}
