import { EXIT } from '../errors.ts'
import type { EventAnswer, EventOptions } from '../model/operations.ts'
import { printable } from '../model/printable.ts'
import { maskText } from '../model/secret.ts'
import { type CommonFlags, once, type Surroundings } from './commands.ts'

/** Exit 0 with the event, 3 when none shows it. */
export function eventCommand(
  around: Surroundings,
  flags: CommonFlags & { readonly json: boolean },
  options: EventOptions,
): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    const answer = await operations.event(options, signal)
    around.stdout.write(flags.json ? `${JSON.stringify(answer)}\n` : eventText(answer))
    return answer.stagingEvent === null ? EXIT.drift : EXIT.ok
  })
}

/** The event alone, for `--event $(...)`; or why there is none, and what is near. */
function eventText({ prodEvent, stagingEvent, reasons, nearest }: EventAnswer): string {
  if (stagingEvent !== null) return `${stagingEvent}\n`
  const near = [nearest.below, nearest.above].flatMap((one) =>
    one === null ? [] : [`${one.prodEvent} (staging's ${one.stagingEvent})`],
  )
  const text =
    near.length === 0 ? 'none is near' : `nearest ${near.length === 1 ? 'is' : 'are'} ${near.join(' and ')}`
  return [
    `prod's event ${prodEvent} is not reproducible; ${text}`,
    ...reasons.map((reason) => `  ${printable(maskText(reason))}`),
  ]
    .map((line) => `${line}\n`)
    .join('')
}
