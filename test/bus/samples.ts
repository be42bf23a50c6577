import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const PREFIX = 'org.fedoraproject.prod.buildsys.'

export interface Sample {
  readonly file: string
  readonly name: string
  readonly topic: string
  readonly body: Readonly<Record<string, unknown>>
  /** The fedmsg envelope; for AMQP's bodies one as the bridge made it. */
  readonly envelope: { readonly topic: string } & Readonly<Record<string, unknown>>
}

const dir = join(import.meta.dirname, '..', 'fixtures', 'fedmsg')

/** Every message of the fixtures. */
export const SAMPLES: readonly Sample[] = readdirSync(dir)
  .sort()
  .flatMap((file) => {
    const lines = file.endsWith('.jsonl') ? read(file).trim().split('\n') : []
    if (file.endsWith('.json')) lines.push(read(file))
    return lines.map((line) => sample(file, JSON.parse(line)))
  })

function read(file: string): string {
  return readFileSync(join(dir, file), 'utf8')
}

// biome-ignore lint/suspicious/noExplicitAny: fixtures of three shapes
function sample(file: string, json: any): Sample {
  const topic: string = json.topic
  const name = topic.slice(topic.indexOf('.buildsys.') + '.buildsys.'.length)
  const body = json.body ?? json.msg
  const envelope = json.msg
    ? json
    : { i: 1, msg: body, msg_id: `2020-${file}`, timestamp: 1577836800, topic, username: 'amqp-bridge' }
  return { file, name, topic, body, envelope }
}

export function get(file: string): Sample {
  const found = SAMPLES.find((one) => one.file.includes(file))
  if (found === undefined) throw new Error(`no fixture ${file}`)
  return found
}
