import { setTimeout as sleep } from 'node:timers/promises'
import { compareHubs, describeDifference } from '../sim/compare.ts'
import { announced, type Change, unheard } from './changes.ts'
import { Closing } from './closing.ts'
import { describeProd, fillProd } from './prod-content.ts'
import { catchUpSeconds, openStage, type Stage } from './stage.ts'
import { compareAll } from './verdict.ts'
import { answerBefore, make, type Seen, watch } from './watch.ts'

/** `npm run demo`: a prod and a staging Koji on this machine, and the daemon between them. Exit code 0 only if they end equal. */

/** What a signal breaks may be noticed before the signal. */
const signalMs = 100

const out = (text = ''): void => void process.stdout.write(`${text}\n`)

async function play(stage: Stage): Promise<boolean> {
  await fillProd(stage.world)
  out(`prod       ${await describeProd(stage.world)}; and their files`)
  out('staging    an empty Koji, with ids and events of its own')
  out('           (simulated hubs over real PostgreSQL and real trees; a real ZeroMQ bus; the real daemon)')
  out(
    "           (prod's tree here cannot be mounted read-only: the config says allow_writable_mount = true)",
  )
  stage.signal.throwIfAborted()

  chapter('koji-staging-sync init', 'prepares staging')
  out(indent(await stage.daemon.command('init', stage.signal)))
  chapter('koji-staging-sync run', `follows ${stage.bus.endpoint}`)
  await follow(stage)

  // What was sent before had nobody to hear it.
  stage.announcing.delivered = 0
  chapter('Messages', "from sending one until staging's hub shows the change")
  await stage.world.startBuild({ name: 'bash', version: '5.3', release: '4.fc44' })
  await stage.world.startBuild({ name: 'ant', version: '1.10.15', release: '1.fc44' })
  for (const change of announced) {
    const before = await answerBefore(stage, change)
    const startMs = await make(stage, change)
    show(change, await watch(stage, change, { before, startMs, pollMs: 4 }))
    await sleep(150, undefined, { signal: stage.signal })
  }

  chapter('No message', `catch-up looks at prod's history, here every ${catchUpSeconds} s`)
  stage.announcing.deliver = false
  const before = await Promise.all(unheard.map((change) => answerBefore(stage, change)))
  const watched: Promise<void>[] = []
  for (const [index, change] of unheard.entries()) {
    const startMs = await make(stage, change)
    const from = { before: before[index] as string, startMs, pollMs: 20 }
    watched.push(watch(stage, change, from).then((seen) => show(change, seen)))
  }
  await Promise.all(watched)

  chapter('Equal?', 'the same questions to both hubs; all files')
  const { table, differences, things } = await compareAll(stage)
  out(table)
  for (const line of differences.slice(0, 20)) out(`  ${line}`)
  const { refused } = stage.prod.hub.knobs
  const { delivered, lost } = stage.announcing
  const ended = await stage.daemon.stop()
  out(`messages: ${delivered} sent, ${lost} lost; calls to prod that could write: ${refused.length}`)
  out(`SIGTERM: the daemon ended with ${ended}`)
  const equal = differences.length === 0 && refused.length === 0 && ended === 'exit code 0'
  out(equal ? `equal: ${things} things, no difference` : `NOT equal: ${differences.length} differences`)
  return equal
}

/** Starts the daemon and waits until its first catch-up has brought what prod had. */
async function follow(stage: Stage): Promise<void> {
  const startMs = performance.now()
  stage.daemon.start((error) => fail(error))
  await Promise.race([stage.bus.subscriber(), aborted(stage.signal)])
  for (;;) {
    stage.signal.throwIfAborted()
    const compared = await compareHubs({
      prod: stage.prod.hub.url,
      staging: stage.staging.hub.url,
      builds: 'all',
    })
    if (compared.differences.length === 0) break
    if (performance.now() - startMs > 60_000) {
      const [first] = compared.differences
      throw new Error(
        `not equal after 60 s: ${first && describeDifference(first)}\n${stage.daemon.lastLog()}`,
      )
    }
    // All questions to both hubs are work for two busy cores; the daemon needs them now.
    await sleep(500, undefined, { signal: stage.signal })
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  out(
    `  the first catch-up reads prod's last 6 hours: all of the above is in staging ${seconds} s after the start`,
  )
}

function show(change: Change, { delayMs, files }: Seen): void {
  const and = files === undefined ? '' : files === 0 ? '  no files left' : `  ${files} files`
  out(`  ${change.title.padEnd(62)}${delayMs.toFixed(0).padStart(6)} ms${and}`)
}

function chapter(title: string, text: string): void {
  out(`\n${title}: ${text}`)
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '  ')
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

const stop = new AbortController()
const closing = new Closing()

function fail(error: Error): void {
  stop.abort(error)
}

const interrupted = new Error('interrupted')
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // Once more: the guards clean up after us.
    if (stop.signal.aborted) process.exit(130)
    out('\ninterrupted: cleaning up')
    stop.abort(interrupted)
  })
}

// A Ctrl-C reaches PostgreSQL too, which then ends the connections of whatever is being asked.
process.on('uncaughtException', (error) => void sleep(signalMs).then(() => fail(error)))

out('koji-staging-sync demo')
let code = 1
try {
  code = (await play(await openStage(closing, stop.signal))) ? 0 : 1
} catch (error) {
  await sleep(signalMs)
  const cause = stop.signal.aborted ? stop.signal.reason : error
  if (cause === interrupted) code = 130
  else console.error(`\nfailed: ${cause instanceof Error ? cause.message : cause}`)
} finally {
  await closing.close()
}
process.exit(code)
