import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TOPIC_NAMES } from '../../src/model/topics.ts'
import type { Guard } from './closing.ts'

const PREFIX = 'org.fedoraproject.prod.buildsys.'
const root = join(import.meta.dirname, '..', '..')

/** What the configuration says. */
export interface DaemonOptions {
  readonly prodHub: string
  readonly prodTopdir: string
  readonly stagingHub: string
  readonly stagingDatabase: string
  readonly stagingTopdir: string
  readonly busEndpoint: string
  /** PEM of what messages are checked against, and the name that prod's hub signs with */
  readonly trust: { readonly ca: string; readonly crl: string; readonly sender: string }
  readonly catchUpSeconds: number
  /** where the configuration and the log are written */
  readonly directory: string
  /** the environment of its processes */
  readonly env: NodeJS.ProcessEnv
  readonly guard: Guard
}

/** The real program, started as a person would, in processes of its own. */
export class Daemon {
  readonly #options: DaemonOptions
  readonly #config: string
  readonly #log: string
  #running: { readonly child: ChildProcess; readonly ended: Promise<string> } | undefined

  private constructor(options: DaemonOptions) {
    this.#options = options
    this.#config = join(options.directory, 'koji-staging-sync.toml')
    this.#log = join(options.directory, 'daemon.log')
  }

  /** Writes the configuration. */
  static async create(options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(options)
    await writeFile(daemon.#config, configText(options), { mode: 0o600 })
    const { ca, crl, sender } = options.trust
    const policy = Object.fromEntries(TOPIC_NAMES.map((topic) => [`${PREFIX}${topic}`, [sender]]))
    for (const [name, text] of Object.entries({ ca, crl, policy: JSON.stringify(policy) })) {
      await writeFile(trustFile(options, name), text)
    }
    return daemon
  }

  /** Runs a command to its end; returns its output. Throws when it fails. */
  async command(name: string, signal: AbortSignal): Promise<string> {
    const child = this.#spawn([name], ['ignore', 'pipe', 'pipe'])
    const stop = (): boolean => child.kill('SIGTERM')
    signal.addEventListener('abort', stop, { once: true })
    const chunks: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
    const how = await endOf(child)
    signal.removeEventListener('abort', stop)
    const text = Buffer.concat(chunks).toString()
    if (how !== 'exit code 0') throw new Error(`${name} ended with ${how}: ${text}`)
    return text
  }

  /** Starts `run`. `onEnd` is told when it ends although nobody asked it to. */
  start(onEnd: (error: Error) => void): void {
    const log = openSync(this.#log, 'a')
    const child = this.#spawn(['run'], ['ignore', log, log])
    closeSync(log)
    const ended = endOf(child)
    this.#running = { child, ended }
    ended.then((how) => {
      if (this.#running?.child === child) onEnd(new Error(`the daemon ended with ${how}:\n${this.lastLog()}`))
    })
  }

  /** SIGTERM, as systemd does; says how it ended. */
  async stop(): Promise<string> {
    const running = this.#running
    if (running === undefined) return 'not running'
    this.#running = undefined
    running.child.kill('SIGTERM')
    const timer = setTimeout(() => running.child.kill('SIGKILL'), 6_000)
    const how = await running.ended
    clearTimeout(timer)
    return how
  }

  /** The end of its log. */
  lastLog(): string {
    try {
      return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-12).join('\n')
    } catch {
      return 'no log'
    }
  }

  /** In a process group of its own: a Ctrl-C at the terminal is ours to pass on. */
  #spawn(argv: string[], stdio: ('ignore' | 'pipe' | number)[]): ChildProcess {
    const args = ['--import', 'tsx', 'src/main.ts', ...argv, '--config', this.#config]
    const child = spawn(process.execPath, args, { cwd: root, env: this.#options.env, detached: true, stdio })
    this.#options.guard.watch(child.pid ?? null)
    child.on('close', () => this.#options.guard.watch(null))
    return child
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
}

function trustFile({ directory }: DaemonOptions, name: string): string {
  return join(directory, `bus-${name}`)
}

function configText(options: DaemonOptions): string {
  const text = JSON.stringify
  return `[prod]
hub = ${text(options.prodHub)}
topdir = ${text(options.prodTopdir)}
link_target = ${text(options.prodTopdir)}
requests_per_second = 200
# A real prod is mounted read-only. This one is a directory beside staging's, which a demo may not mount.
allow_writable_mount = true

[staging]
hub = ${text(options.stagingHub)}
database = ${text(options.stagingDatabase)}
topdir = ${text(options.stagingTopdir)}

[bus.fedmsg]
endpoints = [${text(options.busEndpoint)}]
ca = ${text(trustFile(options, 'ca'))}
crl = ${text(trustFile(options, 'crl'))}
policy_file = ${text(trustFile(options, 'policy'))}

[scope]
builds = "all"

[catch_up]
interval_seconds = ${options.catchUpSeconds}

[http]
listen = "off"
`
}
