/** The simulated hub as a process of its own, as a hub is: `simulator.ts DATABASE_URL`; says its address on standard output. */
import { startHub } from '../test/sim/hub.ts'

const [databaseUrl] = process.argv.slice(2)
if (databaseUrl === undefined) throw new Error('simulator: which database?')
const hub = await startHub({ databaseUrl })
process.stdout.write(`${hub.url}\n`)
const stop = (): void => void hub.close().then(() => process.exit(0))
process.on('SIGTERM', stop)
// The bench has ended, however it did.
process.stdin.on('end', stop).resume()
