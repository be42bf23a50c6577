import { runProgram } from '../../src/cli/program.ts'
import { OutageError, SafetyError } from '../../src/errors.ts'
import type { Drift } from '../../src/model/drift.ts'
import { formatKey } from '../../src/model/key.ts'
import type { OpenKeys } from '../../src/model/open-keys.ts'
import type { Operations, SyncedKey } from '../../src/model/operations.ts'
import { AT, quietBut } from '../support/quiet-status.ts'

/** What a command ended with. */
export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the program in this process, with work that follows `script` in place of a Koji. */
export async function runHere(
  argv: readonly string[],
  options: { script?: string; env?: Record<string, string>; tty?: boolean } = {},
): Promise<Result> {
  let stdout = ''
  let stderr = ''
  const code = await runProgram({
    argv,
    env: options.env ?? {},
    stdout: {
      isTTY: options.tty === true,
      write: (text) => {
        stdout += text
      },
    },
    stderr: {
      write: (text) => {
        stderr += text
      },
    },
    open: async () => {
      const operations = scriptedOperations(options.script ?? '')
      return {
        ...operations,
        destroy: async () => {
          stderr += 'destroyed\n'
        },
      }
    },
  })
  return { code, stdout, stderr }
}

function synced(outcome: SyncedKey['outcome'], name: string): SyncedKey {
  const quiet = outcome === 'unchanged' || outcome === 'applied'
  return {
    key: { kind: 'lookup', what: 'tag', names: [name] },
    outcome,
    reason: quiet ? null : 'because\u001b[2J of https://a:hunter2@b/',
    rows: outcome === 'applied' ? 12 : 0,
    elapsedMs: 3.4,
  }
}

function drift(state: Drift['state'], index: number): Drift {
  return {
    key: { kind: 'tag', tagId: index },
    kind: 'extra',
    subject: `f43: key${index}\u001b[2J`,
    tag: 'f43',
    prod: { value: 'https://a:hunter2@b/' },
    staging: index === 0 ? null : { value: 1n },
    state,
  }
}

/** Work of known outcome, so that output, exit codes and signals can be seen without a Koji. */
export function scriptedOperations(script: string): Operations {
  return {
    async printGrants(role) {
      return `grant nothing to "${role}";\n`
    },
    async init() {
      if (script === 'database')
        throw new OutageError('database', 'DATABASE_AUTH', 'postgresql://k:hunter2@h: no')
      return {
        steps: [{ what: 'schema', outcome: 'done', detail: 'staging_sync' }],
        adopted: { tag: ['f43'] },
        local: { build: 2 },
      }
    },
    async *doctor() {
      yield { name: 'hub.version', status: 'ok', message: '1.35.3', todo: null }
      yield { name: 'bus.silence', status: 'warn', message: 'quiet', todo: 'look at the bus' }
      if (script === 'failing') yield { name: 'a.b', status: 'fail', message: 'no', todo: 'mount it' }
      if (script === 'unsafe')
        yield { name: 'c.d', status: 'fail', message: 'same', todo: null, unsafe: true }
      if (script === 'unsafe') yield { name: 'e.f', status: 'fail', message: 'no', todo: null }
    },
    async *seed() {
      yield { kind: 'ready', database: 'koji_seed', seedEvent: 7, elapsedMs: 1500 }
    },
    async prepareRun() {},
    async run(signal) {
      if (script === 'safety') throw new SafetyError('HUB_WRONG', 'this is another hub')
      if (script === 'bug') throw new TypeError('x is undefined')
      process.stdout.write('running\n')
      const alive = setInterval(() => {}, 1000)
      await new Promise<void>((resolve) => {
        if (script === 'stubborn') return
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      clearInterval(alive)
    },
    async *sync(keys, signal) {
      if (script === 'endless') {
        process.stdout.write('syncing\n')
        const alive = setInterval(() => {}, 1000)
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => resolve(), { once: true }),
        )
        clearInterval(alive)
        signal.throwIfAborted()
      }
      const outcomes = script.split(',') as SyncedKey['outcome'][]
      for (const [index] of keys.entries()) yield synced(outcomes[index] ?? 'unchanged', `f4${index}`)
    },
    async *reconcile({ dryRun }) {
      const states = script.split(',').filter((one) => one !== '') as Drift['state'][]
      const differences = { drift: 0, queued: 0, parked: 0, held: 0 }
      for (const [i, state] of states.entries()) {
        differences[state] += 1
        yield { kind: 'difference', drift: drift(state, i) }
      }
      yield { kind: 'comparing', tags: 1, of: 4, builds: 5 }
      yield { kind: 'converging', left: 3 }
      const ends = dryRun ? openKeys({ held: 0, parked: 0 }) : openKeys(differences)
      yield { kind: 'end', report: { tags: 2, builds: 5, differences, ...ends } }
    },
    async *scrub() {
      const states = script.split(',').filter((one) => one !== '') as Drift['state'][]
      const differences = { drift: 0, queued: 0, parked: 0, held: 0 }
      for (const [i, state] of states.entries()) {
        differences[state] += 1
        yield { kind: 'difference', drift: drift(state, i) }
        yield { kind: 'progress', done: i, total: states.length }
      }
      const ends = openKeys(differences)
      yield { kind: 'end', report: { builds: 5, failed: 0, differences, ...ends } }
    },
    async *catchUp({ since, prodRestored }) {
      yield { kind: 'finding', source: 'history', done: 1, of: 11, rows: 500, keys: 12 }
      yield { kind: 'converging', left: 6, keys: 12 }
      const ends = openKeys({
        held: script === 'held' ? 1 : 0,
        parked: script === 'parked' ? 1 : 0,
        failing: script === 'failing' ? 1 : 0,
      })
      const cursor = prodRestored === true ? -1 : typeof since === 'number' ? since : 777
      yield { kind: 'end', report: { cursor, rows: 500, keys: 12, ...ends, daemons: true } }
    },
    async event({ event, tag }) {
      const here = { prodEvent: event, stagingEvent: 1_000_000_000 + event }
      const nearest = { below: { prodEvent: event - 2, stagingEvent: 5 }, above: null }
      if (script !== 'none') return { ...here, reasons: [], nearest: { below: here, above: here } }
      return { prodEvent: event, stagingEvent: null, reasons: [`${tag}\u001b[2J`], nearest }
    },
    async *prune({ remove }) {
      const about = { kind: 'build', buildId: 7, nvr: 'bash-5-1', bytes: 3 * 1024 ** 2 } as const
      const reason = script === 'kept' ? 'tag f43 has it in prod' : null
      const done = reason === null ? 'pruned' : 'kept'
      yield { ...about, outcome: remove ? done : 'prunable', reason: remove ? reason : null }
      if (remove) yield { kind: 'progress', done: 1, of: 1 }
      yield { kind: 'end', builds: 1, bytes: about.bytes, kept: reason === null ? 0 : 1, removed: remove }
    },
    async *refreshSnapshot() {
      yield { kind: 'running', command: '/usr/bin/snap', ageSeconds: 100_000 }
      yield { kind: 'said', line: 'cloned' }
      yield { kind: 'end', ageSeconds: 60, event: 4711, newer: 1, marked: 3 }
    },
    async status() {
      return quietBut(
        { live: 1, sweep: 2, delayed: 3, relook: 1, claimed: 4, parked: 60, oldestSeconds: 7.4 },
        {
          parked: [
            {
              key: 'build/7',
              name: null,
              code: 'STORAGE_SOURCE_MISSING',
              reason: 'gone\u001b[2J https://a:hunter2@b/',
              attempts: 9,
              since: AT,
              retryAt: AT,
            },
          ],
        },
      )
    },
    async clashes() {
      const at = '2026-01-02T03:04:05Z'
      return {
        clashes: [
          {
            key: 'build/7',
            name: 'bash-5-1',
            subject: 'bash-5-1\u001b[2J',
            kind: 'nvr',
            state: script === 'held' ? 'held' : 'prod-won',
            prod: { source: 'https://a:hunter2@b/' },
            local: null,
            firstSeen: at,
            lastSeen: at,
            count: 2,
          },
        ],
        decisions: [{ key: 'tag/3', name: null, policy: 'hold', by: 'eva', host: 'h1', at }],
      }
    },
    async resolveClash(key, policy, by) {
      return { keys: [`${formatKey(key)} ${policy} ${by}`], daemons: script === 'daemon' }
    },
    async parked() {
      const since = '2026-01-02T03:04:05Z'
      if (script !== 'parked') return []
      return [
        {
          key: 'build/7',
          name: null,
          code: 'HUB_FAULT',
          reason: 'no\u001b[2J',
          attempts: 9,
          since,
          retryAt: since,
        },
      ]
    },
    async audit(key) {
      if (key === null && script === '') return []
      const [at, subject] = ['2026-01-02T03:04:05Z', key === null ? 'build/7' : formatKey(key)]
      return [
        {
          at,
          by: 'eva\u001b[2J',
          host: 'h1',
          what: 'clashes resolve',
          subject,
          name: 'bash-5-1',
          detail: 'prod-wins',
        },
      ]
    },
    async retryParked(keys) {
      return { keys: keys === null ? ['build/7', 'tag/3'] : keys.map(formatKey), daemons: false }
    },
    async destroy() {
      process.stderr.write('destroyed\n')
    },
  }
}

function openKeys({
  held,
  parked,
  failing = 0,
}: {
  held: number
  parked: number
  failing?: number
}): OpenKeys {
  const failures = [
    ...Array.from({ length: parked }, (_, i) => ({ key: `build/${i}`, parked: true })),
    ...Array.from({ length: failing }, (_, i) => ({ key: `tag/${i}`, parked: false })),
  ].map((one) => ({ ...one, code: 'HUB_FAULT', reason: 'no\u001b[2J https://a:hunter2@b/' }))
  return { heldKeys: held, parkedKeys: parked, failingKeys: failing, failures }
}
