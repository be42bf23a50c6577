import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Command, InvalidArgumentError } from 'commander'
import { asError, ConfigError, EXIT } from '../errors.ts'
import type { JudgeMessage, JudgeOptions, WireMessage } from '../model/judged-message.ts'
import type { VerifyReason } from '../model/verify-reasons.ts'
import type { Output } from './commands.ts'
import { exitStatusHelp } from './help.ts'

const HELP = `
INPUT
  one JSON object a line: "wire_topic", "wire_body" (text) or "wire_body_b64", "path" ("bus", the default, or "datagrepper"),
  "name" (anything); other members are not looked at. FILE may be - for standard input.

OUTPUT
  one JSON object a line: {"name", "verdict", "reason"}; verdict is valid or invalid, reason null when valid.
  Reason "input": the line is no such object; "gpg": a GnuPG signature, and no gpg or key ring to check it with. Neither could be judged.`

interface Flags {
  readonly ca: string
  readonly crl?: string
  readonly policy?: string
  readonly nitpicky: boolean
  readonly backends: JudgeOptions['backends']
  readonly gpgHome?: string
  readonly validation: boolean
}

/** The command `verify-message`; needs no configuration. */
export function verifyMessageCommand(
  out: { readonly stdout: Output; readonly stdin: NodeJS.ReadableStream },
  done: (code: number) => void,
): Command {
  return new Command('verify-message')
    .description("check fedmsg's messages as the reference does, one verdict each")
    .argument('[file]', 'JSON lines; default standard input', '-')
    .requiredOption('--ca <location>', 'the CA: a PEM file or its address')
    .option('--crl <location>', 'the revocation list; without it nobody is revoked')
    .option('--policy <file>', 'who may send what: JSON, {"topic": ["common name", ...]}')
    .option('--nitpicky', 'refuse topics that the policy does not list', false)
    .option('--backends <names>', 'kinds of signatures that count, with commas: x509, gpg', readBackends, [
      'x509',
    ] as const)
    .option('--gpg-home <directory>', "GnuPG's key ring, for backend gpg; needs gpg")
    .option(
      '--no-validation',
      "judge as with fedmsg's validate_signatures = False: whatever can be read is valid",
    )
    .allowExcessArguments(false)
    .addHelpText('after', HELP)
    .addHelpText('after', exitStatusHelp([EXIT.ok, EXIT.error, EXIT.usage, EXIT.config]))
    .action(async (file: string, flags: Flags) => {
      const { createMessageJudge } = await import('../context.ts')
      const judge = createMessageJudge({
        ca: flags.ca,
        crl: flags.crl === undefined || flags.crl === '' ? null : flags.crl,
        policyFile: flags.policy ?? null,
        nitpicky: flags.nitpicky,
        backends: flags.backends,
        gpgHome: flags.gpgHome ?? null,
        validateSignatures: flags.validation,
      })
      const input = file === '-' ? out.stdin : createReadStream(file)
      done(await judgeLines(input, file, judge, out.stdout))
    })
}

/** Prints a verdict for each line. 0 when all could be judged, else 1. */
async function judgeLines(
  input: NodeJS.ReadableStream,
  name: string,
  judge: JudgeMessage,
  stdout: Output,
): Promise<number> {
  let judged = true
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  const failed = new Promise<never>((_resolve, reject) => {
    input.on('error', (error) => {
      const text = `${name} cannot be read: ${asError(error).message}`
      reject(new ConfigError('INPUT_UNREADABLE', text, { cause: error }))
    })
  })
  const all = async (): Promise<void> => {
    for await (const line of lines) {
      if (line.trim() === '') continue
      const verdict = await judgeLine(line, judge)
      judged &&= verdict.judged
      const { label, reason } = verdict
      stdout.write(
        `${JSON.stringify({ name: label, verdict: reason === null ? 'valid' : 'invalid', reason })}\n`,
      )
    }
  }
  await Promise.race([all(), failed])
  return judged ? EXIT.ok : EXIT.error
}

interface Verdict {
  readonly label: unknown
  readonly reason: VerifyReason | 'input' | null
  readonly judged: boolean
}

async function judgeLine(line: string, judge: JudgeMessage): Promise<Verdict> {
  let label: unknown = null
  try {
    const members = JSON.parse(line) as Record<string, unknown>
    label = members.name ?? null
    const reason = await judge(readLine(members))
    return { label, reason, judged: reason !== 'gpg' }
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error
    return { label, reason: 'input', judged: false }
  }
}

/** Throws TypeError for what is no message. */
function readLine(members: Record<string, unknown>): WireMessage {
  const { wire_topic: topic, wire_body: text, wire_body_b64: base64, path = 'bus' } = members
  if (path !== 'bus' && path !== 'datagrepper') throw new TypeError('path')
  if (typeof topic !== 'string' && !(path === 'datagrepper' && topic === undefined))
    throw new TypeError('topic')
  const body = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : null
  if (body === null && typeof text !== 'string') throw new TypeError('body')
  return { topic: topic ?? '', body: body ?? Buffer.from(text as string), path }
}

function readBackends(text: string): JudgeOptions['backends'] {
  const names = text.split(/[\s,]+/).filter((name) => name !== '')
  const known = names.filter((name) => name === 'x509' || name === 'gpg')
  if (known.length === 0 || known.length !== names.length)
    throw new InvalidArgumentError('x509 and gpg are known')
  return known
}
