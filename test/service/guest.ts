import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

export const exec = promisify(execFile)

/** A system with a process 1 of its own, made by boot.sh. Nothing here blocks: prod's hub and bus may be in this process. */
export class Guest {
  readonly #boot: ChildProcess
  readonly #pid: string

  private constructor(boot: ChildProcess, pid: string) {
    this.#boot = boot
    this.#pid = pid
  }

  /** The trees stand in it at /mnt/prod-koji, read-only, and /mnt/koji; the package is /mnt/package.tgz. */
  static async start(prod: string, staging: string, tarball: string): Promise<Guest> {
    const argv = [`kss-service-${process.pid}`, prod, staging, tarball]
    const boot = spawn(join(import.meta.dirname, 'boot.sh'), argv, {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    // However this ends, nothing of it stays.
    process.once('exit', () => boot.kill('SIGKILL'))
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
    for (let tries = 0; tries < 600; tries += 1) {
      await sleep(100)
      const found = childOf(boot.pid ?? 0)
      if (found === null || readFileSync(`/proc/${found}/comm`, 'utf8') !== 'systemd\n') continue
      const guest = new Guest(boot, found)
      if ((await guest.try('systemctl', 'is-active', 'least.target')).ok) return guest
    }
    throw new Error('no systemd has come up')
  }

  async run(...argv: string[]): Promise<string> {
    return (await exec('nsenter', ['-t', this.#pid, '-a', ...argv])).stdout
  }

  async try(...argv: string[]): Promise<{ ok: boolean; text: string }> {
    try {
      return { ok: true, text: await this.run(...argv) }
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      return { ok: false, text: stdout + stderr }
    }
  }

  async write(path: string, text: string): Promise<void> {
    const writing = exec('nsenter', ['-t', this.#pid, '-a', 'tee', path])
    writing.child.stdin?.end(text)
    await writing
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#boot.once('close', resolve))
    this.#boot.kill('SIGKILL')
    await ended
  }
}

function childOf(pid: number): string | null {
  const path = `/proc/${pid}/task/${pid}/children`
  const [first = ''] = existsSync(path) ? readFileSync(path, 'utf8').split(' ') : []
  return first === '' ? null : first
}
