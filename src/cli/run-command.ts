import type { Config } from '../config/config.ts'
import { describeConfig, findCautions } from '../config/describe.ts'
import { findChangedSettings } from '../config/fingerprint.ts'
import { asError, EXIT, StopError } from '../errors.ts'
import type { Operations } from '../model/operations.ts'
import type { Telemetry } from '../telemetry/events.ts'
import { createLog } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { Recent } from '../telemetry/recent.ts'
import {
  managerFailed,
  reloadApplied,
  reloadRefused,
  reloadStarted,
  serviceReady,
  serviceStarted,
  serviceStopped,
  serviceStopping,
  workEnded,
} from '../telemetry/service-events.ts'
import { ServiceManager } from '../telemetry/systemd/service-manager.ts'
import { type CommonFlags, closeOperations, loadFlags, type Surroundings } from './commands.ts'
import { Hangups } from './hangups.ts'
import { logFormOf } from './log-form.ts'
import { withSignals } from './shutdown.ts'
import { readVersion } from './version.ts'

/** Beyond the grace of what is under way: what a start takes. */
const START_MS = 300_000

/** A configuration and the work that was made of it. */
interface Setup {
  readonly config: Config
  readonly operations: Operations
}

/** The daemon. Its log is standard output. SIGHUP reads the configuration again, but for one on a terminal, which it ends. */
export async function runCommand(around: Surroundings, flags: CommonFlags): Promise<number> {
  const config = loadFlags(around, flags)
  const { stdout } = around
  const log = createLog({
    level: flags.debug ? 'debug' : config.log.level,
    form: logFormOf(around),
    write: (line) => stdout.write(line),
    stacks: flags.debug,
  })
  const base: Telemetry = { log, metrics: new Metrics({ version: readVersion() }), recent: new Recent() }
  const manager = await ServiceManager.find(around.env, (error) => managerFailed(base, error))
  const telemetry: Telemetry = manager === null ? base : { ...base, manager }
  const hangups = new Hangups(stdout.isTTY !== true)
  let graceMs = config.worker.shutdownGraceMs
  const onSignal = (signal: string): void => serviceStopping(telemetry, { signal, graceMs })
  try {
    return await withSignals(onSignal, async (signal) => {
      const cautions = findCautions(config)
      serviceStarted(telemetry, { version: readVersion(), config: describeConfig(config), cautions })
      const daemon = new ReloadingDaemon({
        open: (with_) => around.open({ config: with_, telemetry }),
        read: () => loadFlags(around, flags),
        telemetry,
        hangups,
        onConfig: (now) => {
          graceMs = now.worker.shutdownGraceMs
          if (!flags.debug) log.level = now.log.level
        },
      })
      await daemon.run(config, signal)
      serviceStopped(telemetry)
      return EXIT.ok
    })
  } finally {
    hangups.close()
    manager?.close()
  }
}

interface ReloadingOptions {
  readonly open: (config: Config) => Promise<Operations>
  /** the configuration as it is now; throws ConfigError */
  readonly read: () => Config
  readonly telemetry: Telemetry
  readonly hangups: Hangups
  /** the one that counts from now on */
  readonly onConfig: (config: Config) => void
}

/**
 * The daemon of one configuration after the other. A new one is judged whole beside the running one (file, database, trees, trust,
 * other daemons) and refused whole; only then the work ends as for SIGTERM and begins anew. One that cannot be started with after
 * all gives way to the one before.
 */
class ReloadingDaemon {
  readonly #options: ReloadingOptions

  constructor(options: ReloadingOptions) {
    this.#options = options
  }

  async run(config: Config, signal: AbortSignal): Promise<void> {
    const { open, telemetry } = this.#options
    let now: Setup = { config, operations: await open(config) }
    let before: Config | null = null
    for (;;) {
      this.#options.onConfig(now.config)
      let ready = false
      const onReady = (): void => {
        ready = true
        serviceReady(telemetry)
      }
      try {
        const next = await this.#untilReplaced(now, onReady, signal)
        if (next === null) return
        before = now.config
        now = next
      } catch (error) {
        if (before === null || ready || signal.aborted) throw error
        reloadRefused(telemetry, asError(error))
        now = { config: before, operations: await open(before) }
        before = null
      }
    }
  }

  /** Runs one until the signal (null) or until another one takes its place. Throws what ends it. */
  async #untilReplaced(now: Setup, onReady: () => void, signal: AbortSignal): Promise<Setup | null> {
    const { telemetry } = this.#options
    const stop = new AbortController()
    const over = new AbortController()
    const running = now.operations.run(AbortSignal.any([signal, stop.signal]), onReady)
    const replaced = this.#nextSetup(now.config, over.signal).then((next) => {
      if (next !== null) stop.abort(new StopError('CONFIG_RELOADED', 'the configuration has changed'))
      return next
    })
    let taken = false
    try {
      await running
      taken = !signal.aborted
    } finally {
      over.abort()
      await closeOperations(now.operations, telemetry)
      workEnded(telemetry)
      const next = await replaced
      if (!taken && next !== null) await closeOperations(next.operations, telemetry)
    }
    return taken ? await replaced : null
  }

  /** The next configuration that can be worked with; null when this is over before. */
  async #nextSetup(running: Config, over: AbortSignal): Promise<Setup | null> {
    const { telemetry, hangups, read, open } = this.#options
    while (await hangups.next(over)) {
      reloadStarted(telemetry)
      let operations: Operations | null = null
      try {
        const config = read()
        operations = await open(config)
        await operations.prepareRun()
        if (over.aborted) break
        reloadApplied(telemetry, {
          config: describeConfig(config),
          changed: findChangedSettings(running, config),
          cautions: findCautions(config),
          pauseMs: running.worker.shutdownGraceMs + START_MS,
        })
        const setup = { config, operations }
        operations = null
        return setup
      } catch (error) {
        reloadRefused(telemetry, asError(error))
      } finally {
        if (operations !== null) await closeOperations(operations, telemetry)
      }
    }
    return null
  }
}
