import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/load.ts'
import { createOperations } from '../../src/context.ts'
import { StopError } from '../../src/errors.ts'
import type { Operations } from '../../src/model/operations.ts'
import type { Step } from '../../src/step.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { Recent } from '../../src/telemetry/recent.ts'
import { LogLines } from './log-lines.ts'
import type { Program } from './program.ts'

export interface HereOptions {
  readonly file: string
  /** `name=value`, as `--set` has them */
  readonly set?: readonly string[]
  readonly step?: Step
  /** who makes them; default: the program as it is here */
  readonly create?: typeof createOperations
}

/** The commands' work in this process, with its log and metrics. */
export interface Here {
  readonly operations: Operations
  readonly log: LogLines
  readonly metrics: Metrics
}

export async function openHere({
  file,
  set = [],
  step,
  create = createOperations,
}: HereOptions): Promise<Here> {
  const config = loadConfig({ file, env: {}, assignments: set })
  const lines = new LogLines()
  const log = createLog({ level: 'debug', form: 'json', write: (line) => lines.write(line) })
  const metrics = new Metrics({ version: 'test', processMetrics: false })
  const operations = await create({
    config,
    telemetry: { log, metrics, recent: new Recent() },
    ...(step === undefined ? {} : { step }),
  })
  return { operations, log: lines, metrics }
}

/** A daemon that runs, here or in a process of its own. */
export interface Daemon {
  readonly log: LogLines
  /** How it ended: `null` in order, else what `run` threw; a child: its exit code or signal. */
  readonly ended: Promise<unknown>
  /** Asks it to stop, waits for it. */
  stop(): Promise<unknown>
  /** A page of its HTTP server. */
  page(path: string): Promise<{ status: number; text: string }>
}

export interface HereDaemon extends Daemon {
  readonly metrics: Metrics
  /** A counter's or gauge's value with these labels. */
  metric(name: string, labels?: Record<string, string>): Promise<number>
}

export async function startHere(options: HereOptions): Promise<HereDaemon> {
  const { operations, log, metrics } = await openHere(options)
  const stopping = new AbortController()
  const ended = operations.run(stopping.signal).then(
    () => null,
    (error: unknown) => error,
  )
  const closed = ended.then(async (error) => {
    await operations.destroy()
    log.end()
    return error
  })
  return {
    log,
    metrics,
    ended: closed,
    stop: () => {
      stopping.abort(new StopError('STOPPED_BY_TEST', 'stopped'))
      return closed
    },
    page: (path) => fetchPage(log, path),
    metric: (name, labels = {}) => metricOf(metrics, name, labels),
  }
}

/** The daemon as a person starts it; with `killAt`, one that ends itself there (see killed-main.mjs). */
export class ChildDaemon implements Daemon {
  readonly log = new LogLines()
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>
  readonly #child: ChildProcess

  constructor(file: string, program: Program, killAt?: string, env: Record<string, string> = {}) {
    const script = join(
      killAt === undefined ? program.directory : import.meta.dirname,
      killAt === undefined ? 'main.js' : 'killed-main.mjs',
    )
    this.#child = spawn(process.execPath, [script, 'run', '--config', file], {
      env: {
        PATH: process.env.PATH ?? '',
        ...env,
        ...(killAt === undefined ? {} : { PROGRAM: program.directory, KILL_AT: killAt }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    this.#child.stdout?.on('data', (chunk: Buffer) => this.log.write(chunk.toString()))
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
      this.log.other.push(chunk.toString())
    })
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        this.log.end()
        resolve({ code, signal, stderr })
      })
    })
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** At once, and waits until nothing of it is left. */
  kill(): Promise<unknown> {
    this.signal('SIGKILL')
    return this.ended
  }

  stop(): Promise<unknown> {
    this.signal('SIGTERM')
    return this.ended
  }

  page(path: string): Promise<{ status: number; text: string }> {
    return fetchPage(this.log, path)
  }
}

async function fetchPage(log: LogLines, path: string): Promise<{ status: number; text: string }> {
  const { port } = await log.until('http listens', (line) => line.msg === 'http listens')
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, text: await response.text() }
}

async function metricOf(metrics: Metrics, name: string, labels: Record<string, string>): Promise<number> {
  const metric = metrics.registry.getSingleMetric(`kojisync_${name}`)
  if (metric === undefined) throw new Error(`no metric ${name}`)
  const { values } = await metric.get()
  return values
    .filter((value) =>
      Object.entries(labels).every(
        ([key, wanted]) => (value.labels as Record<string, unknown>)[key] === wanted,
      ),
    )
    .reduce((sum, { value }) => sum + value, 0)
}
