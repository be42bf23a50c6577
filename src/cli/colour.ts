import { styleText } from 'node:util'
import type { Output } from './commands.ts'

export type Colour = 'green' | 'yellow' | 'red' | 'dim' | 'bold'

/** Colours text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string

/** Colour only where a terminal shows it, and nobody said NO_COLOR (no-color.org). */
export function paintFor(out: Output, env: Readonly<Record<string, string | undefined>>): Paint {
  const wanted = out.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  // The stream that is written to decided already; styleText would look at the process' own.
  return wanted
    ? (colour, text) => styleText(colour, text, { validateStream: false })
    : (_colour, text) => text
}
