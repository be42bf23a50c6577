import { userInfo } from 'node:os'
import type { Config } from '../config/config.ts'
import { exampleFile, optionsHelp } from '../config/example.ts'
import { loadConfig } from '../config/load.ts'
import { asError, EXIT } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { Operations, ReconcileOptions, ReconcileReport } from '../model/operations.ts'
import { verdictOf } from '../model/verdict.ts'
import type { Telemetry } from '../telemetry/events.ts'
import { createLog } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { paintFor } from './colour.ts'
import { hasFailed } from './open-keys.ts'
import { ProgressBar } from './progress-bar.ts'
import { ReconcileBar } from './reconcile-bar.ts'
import { checkLine, initText, syncedLine } from './render.ts'
import { DriftText, driftJson, reportText } from './render-drift.ts'
import { statusText } from './render-status.ts'
import { withSignals } from './shutdown.ts'
import { readVersion } from './version.ts'

/** Where text goes. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly fd?: number
}

/**
 * Makes the work behind the commands. MUST not connect anywhere: what is down is found by the method that needs it, so
 * that `doctor` can tell of it.
 */
export type OpenOperations = (options: {
  readonly config: Config
  readonly telemetry: Telemetry
}) => Promise<Operations>

/** What a command lives in. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Output
  readonly stderr: Output
  readonly open: OpenOperations
}

/** Flags that every command has. */
export interface CommonFlags {
  readonly config: string
  /** undefined: none */
  readonly set?: readonly string[]
  readonly debug: boolean
}

export function initCommand(
  around: Surroundings,
  flags: CommonFlags & { readonly printGrants: boolean; readonly role?: string },
): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    if (flags.printGrants) {
      around.stdout.write(await operations.printGrants(flags.role ?? null))
      return EXIT.ok
    }
    around.stdout.write(initText(await operations.init(signal)))
    return EXIT.ok
  })
}

/** Exit 14 when something is unsafe, 1 when something else fails, else 0; warnings are no failure. */
export function doctorCommand(
  around: Surroundings,
  flags: CommonFlags & { readonly listen: number },
): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    let code: number = EXIT.ok
    for await (const check of operations.doctor(signal, { listenMs: flags.listen * 1000 })) {
      around.stdout.write(checkLine(check))
      if (check.status !== 'fail') continue
      if (check.unsafe === true) code = EXIT.safety
      else if (code === EXIT.ok) code = EXIT.error
    }
    return code
  })
}

/** Exit 1 when a key could not be made equal, 4 when policy holds one, else 0. */
export function syncCommand(around: Surroundings, flags: CommonFlags, keys: readonly Key[]): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    let failed = false
    let held = false
    let done = 0
    const { stdout } = around
    // For one key there is nothing between its beginning and its end.
    const bar = stdout.isTTY === true && keys.length > 1 ? new ProgressBar(stdout) : null
    const show = (): void => bar?.show(done / keys.length, `${done} of ${keys.length} keys`)
    try {
      show()
      for await (const synced of operations.sync(keys, signal)) {
        bar?.clear()
        stdout.write(syncedLine(synced))
        failed ||= ['failed', 'parked', 'waiting'].includes(synced.outcome)
        held ||= synced.outcome === 'held'
        // A name may be several keys.
        done = Math.min(done + 1, keys.length)
        show()
      }
    } finally {
      bar?.clear()
    }
    if (failed) return EXIT.error
    return held ? EXIT.held : EXIT.ok
  })
}

/**
 * Exit 1 when a key could not be made equal, 4 when something is held, 3 when a difference was found (seen to by now, unless it
 * is a dry run), else 0.
 */
export function reconcileCommand(
  around: Surroundings,
  flags: CommonFlags & {
    readonly dryRun: boolean
    readonly json: boolean
    readonly tag?: readonly string[]
    readonly allowRemovals?: number
  },
): Promise<number> {
  const { dryRun, tag: tags = [], allowRemovals } = flags
  const options: ReconcileOptions = {
    dryRun,
    tags,
    ...(allowRemovals === undefined ? {} : { allowRemovals, allowedBy: accountOf(around) }),
  }
  return once(around, flags, async (operations, signal) => {
    const { stdout } = around
    const text = new DriftText()
    const bar = stdout.isTTY === true && !flags.json ? new ReconcileBar(stdout) : null
    let code: number = EXIT.ok
    try {
      for await (const news of operations.reconcile(options, signal)) {
        if (news.kind === 'difference') {
          if (flags.json) stdout.write(driftJson(news.drift))
          else text.add(news.drift)
        } else if (news.kind === 'end') {
          bar?.end()
          if (!flags.json) stdout.write(text.text() + reportText(news.report))
          code = reconcileCode(news.report, flags.dryRun)
        } else bar?.tell(news)
      }
    } finally {
      bar?.end()
    }
    return code
  })
}

/** Who types: behind sudo the person, not root. */
export function accountOf({ env }: Surroundings): string {
  return env.SUDO_USER ?? userInfo().username
}

function reconcileCode(report: ReconcileReport, dryRun: boolean): number {
  const { differences, heldKeys } = report
  const { drift, queued, parked, held } = differences
  if (dryRun ? parked > 0 && drift + queued + held === 0 : hasFailed(report)) return EXIT.error
  if (dryRun ? held > 0 : heldKeys > 0) return EXIT.held
  return drift + queued + parked > 0 ? EXIT.drift : EXIT.ok
}

export function statusCommand(
  around: Surroundings,
  flags: CommonFlags & { readonly json: boolean },
): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    const report = await operations.status(signal)
    const verdict = verdictOf(report, null)
    const { stdout, env } = around
    stdout.write(
      flags.json
        ? `${JSON.stringify({ verdict, ...report }, null, 2)}\n`
        : statusText(report, verdict, paintFor(stdout, env)),
    )
    return EXIT.ok
  })
}

/** Needs no configuration: shows what one may hold. */
export function optionsCommand(around: Surroundings, flags: { readonly example: boolean }): number {
  around.stdout.write(flags.example ? exampleFile() : optionsHelp())
  return EXIT.ok
}

/** A command that does one thing and ends: results on standard output, the log's warnings on standard error. */
export function once(
  around: Surroundings,
  flags: CommonFlags,
  work: (operations: Operations, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const config = loadFlags(around, flags)
  const log = createLog({
    level: flags.debug ? 'debug' : 'warn',
    form: 'readable',
    write: (line) => around.stderr.write(line),
    stacks: flags.debug,
  })
  const telemetry = { log, metrics: new Metrics({ version: readVersion(), processMetrics: false }) }
  const onSignal = (signal: string): void => {
    around.stderr.write(`${signal}: stopping; once more ends at once\n`)
  }
  return withOperations(around, config, telemetry, onSignal, work)
}

/** The configuration that these flags name. Throws ConfigError. */
export function loadFlags(around: Surroundings, flags: CommonFlags): Config {
  return loadConfig({ file: flags.config, env: around.env, assignments: flags.set ?? [] })
}

function withOperations(
  around: Surroundings,
  config: Config,
  telemetry: Telemetry,
  onSignal: (signal: string) => void,
  work: (operations: Operations, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  return withSignals(onSignal, async (signal) => {
    const operations = await around.open({ config, telemetry })
    try {
      return await work(operations, signal)
    } finally {
      await closeOperations(operations, telemetry)
    }
  })
}

/** What goes wrong in closing must not hide what went wrong before. */
export async function closeOperations(operations: Operations, { log }: Telemetry): Promise<void> {
  await operations.destroy().catch((error: unknown) => log.warn({ err: asError(error) }, 'closing failed'))
}
