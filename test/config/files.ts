import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../src/config/config.ts'
import { type LoadOptions, loadConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problems.ts'
import { ConfigError } from '../../src/errors.ts'

/** A folder of configuration files that goes away with `remove`. */
export class ConfigFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'kss-config-'))

  write(text: string | Uint8Array, name = 'config.toml'): string {
    const file = join(this.path, name)
    writeFileSync(file, text)
    return file
  }

  load(text: string, options: Partial<LoadOptions> = {}): Config {
    return loadConfig({ file: this.write(text), env: {}, ...options })
  }

  /** What `load` finds wrong, as `path: message`; fails when nothing is. */
  problems(text: string, options: Partial<LoadOptions> = {}): string[] {
    return problemsOf(() => this.load(text, options))
  }

  remove(): void {
    rmSync(this.path, { recursive: true })
  }
}

export function problemsOf(load: () => unknown): string[] {
  try {
    load()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const problems = error.detail.problems as readonly Problem[]
    return problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  }
  throw new Error('the configuration was accepted')
}

/** The least that is accepted, section by section, so that tests can replace one. */
export const MINIMAL = {
  prod: 'hub = "https://koji.example.org/kojihub"\ntopdir = "/mnt/prod-koji"\nlink_target = "/srv/prod-koji"',
  staging: 'database = "postgresql://koji@db.example.org/koji"\ntopdir = "/mnt/koji"',
}

/** A whole file: the minimal sections, `extra` lines added to some, `rest` behind them. */
export function file(extra: { prod?: string; staging?: string; rest?: string } = {}): string {
  return [
    '[prod]',
    MINIMAL.prod,
    extra.prod ?? '',
    '[staging]',
    MINIMAL.staging,
    extra.staging ?? '',
    extra.rest ?? '',
  ].join('\n')
}
