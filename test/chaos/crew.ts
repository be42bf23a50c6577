import type { Step } from '../../src/step.ts'
import type { LogLine } from '../e2e/log-lines.ts'
import type { Program } from '../e2e/program.ts'
import { Child } from './child.ts'
import type { Living, Work } from './living.ts'
import { type Build, Mortal } from './mortal.ts'

const drain = async (news: AsyncIterable<unknown>): Promise<void> => {
  for await (const _one of news);
}

const run: Work = (operations, signal) => operations.run(signal)

/** Commands without a daemon, or beside one. */
export const COMMANDS = {
  'catch-up': (operations, signal) => drain(operations.catchUp({}, signal)),
  reconcile: (operations, signal) => drain(operations.reconcile({ dryRun: false, tags: [] }, signal)),
  scrub: (operations, signal) => drain(operations.scrub({ once: true, tags: [] }, signal)),
} satisfies Record<string, Work>

export type Command = keyof typeof COMMANDS

/** Where processes are started: in this one, or each in one of its own (`program`). */
export interface CrewOptions {
  /** the configuration */
  readonly file: string
  readonly set: readonly string[]
  readonly faults?: Step
  readonly build: Build | undefined
  readonly program: Program | null
}

/** Our processes, and how they ended. */
export class Crew {
  readonly daemons: Living[] = []
  /** Of the last command that ended in order: what it said. */
  said: readonly LogLine[] = []
  /** How somebody ended as nobody should. */
  readonly complaints: string[] = []
  readonly #options: CrewOptions

  constructor(options: CrewOptions) {
    this.#options = options
  }

  async startDaemon(): Promise<Living | null> {
    try {
      const daemon = await this.#start('run', run)
      this.daemons.push(daemon)
      return daemon
    } catch (error) {
      this.#judge('run', error)
      return null
    }
  }

  /** A command, which may be killed at its so manieth step. True: it lived. An outage ends it, and is none of its fault. */
  async command(name: Command, life: number): Promise<'done' | 'killed' | 'failed'> {
    try {
      const living = await this.#start(name, COMMANDS[name])
      living.dieIn(life)
      const error = await living.ended
      this.#read(name, living)
      if (living.wasKilled) return 'killed'
      this.said = living.log.all
      if (error === null) return 'done'
      this.#judge(name, error)
    } catch (error) {
      this.#judge(name, error)
    }
    return 'failed'
  }

  async end(daemon: Living, how: 'kill' | 'stop'): Promise<void> {
    await daemon[how]()
    await this.reap(daemon)
  }

  /** Those that have died by now are taken out; true when there was one. */
  async reapDead(): Promise<boolean> {
    const dead = this.daemons.filter((daemon) => daemon.wasKilled)
    for (const daemon of dead) await this.reap(daemon)
    return dead.length > 0
  }

  async reap(daemon: Living): Promise<void> {
    const error = await daemon.ended
    this.daemons.splice(this.daemons.indexOf(daemon), 1)
    this.#read('run', daemon)
    if (error !== null) this.#judge('run', error)
  }

  /** Daemons that ended by themselves, as one does that finds no database at its start. */
  async reapEnded(): Promise<void> {
    for (const daemon of [...this.daemons]) {
      const over = await Promise.race([daemon.ended.then(() => true), Promise.resolve(false)])
      if (over) await this.reap(daemon)
    }
  }

  async close(): Promise<void> {
    for (const daemon of [...this.daemons]) await this.end(daemon, 'kill')
  }

  async #start(name: string, work: Work): Promise<Living> {
    const { file, set, faults, build, program } = this.#options
    if (program !== null && name !== 'scrub') return new Child(file, set, program, name)
    return Mortal.start({ file, set, work, build, ...(faults === undefined ? {} : { faults }) })
  }

  /**
   * An outage or a lost race at the start ends a process in order, and a command an answer of prod's hub that does not come while
   * others do; anything else is a mistake of ours.
   */
  #judge(name: string, error: unknown): void {
    const { code } = error as { code?: unknown }
    if (name !== 'run' && typeof code === 'string' && code.startsWith('HUB_')) return
    const known = ['OutageError', 'AgainError', 'StopError', 'FenceError', 'Dead']
    if (error instanceof Error && known.includes(error.name)) return
    if (error instanceof Error && error.constructor.name === 'Dead') return
    this.complaints.push(`${name} ended with ${error instanceof Error ? error.stack : String(error)}`)
  }

  /** What it said of itself that only a mistake of ours explains. */
  #read(name: string, living: Living): void {
    for (const line of living.log.all)
      if (/"code":"(INTERNAL|DATABASE_STATEMENT)"/.test(JSON.stringify(line)))
        this.complaints.push(`${name} said ${JSON.stringify(line).slice(0, 1500)}`)
  }
}
