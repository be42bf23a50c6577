import { ERROR_HELP, errorHelpOf } from '../model/error-help/all.ts'
import type { ErrorHelp } from '../model/error-help/entry.ts'

/** The paragraph of one code, or those of all. */
export function errorsText(code?: string): string {
  if (code !== undefined) {
    const help = errorHelpOf(code)
    return help === undefined ? '' : paragraph(code, help)
  }
  return ERROR_HELP.map(
    ({ title, errors }) =>
      `${title.toUpperCase()}\n\n${Object.entries(errors)
        .map(([name, help]) => paragraph(name, help))
        .join('\n')}`,
  ).join('\n')
}

/** docs/errors.md. */
export function errorsMarkdown(): string {
  const parts = ERROR_HELP.map(({ title, errors }) => {
    const rows = Object.entries(errors).map(
      ([name, { what, why, todo }]) => `### ${name}\n\n${what}\n\n*Why:* ${why}\n\n*Do:* ${todo}\n`,
    )
    return `## ${title}\n\n${rows.join('\n')}`
  })
  return `# Errors

Each error has a stable code. It stands in log lines (\`err.code\`), in what commands print (\`error CODE: ...\`), and in \`parked\`.
\`koji-staging-sync help errors\` prints this, \`koji-staging-sync errors CODE\` one of them. Made by
\`koji-staging-sync errors --markdown\`; do not edit.

${parts.join('\n')}`
}

function paragraph(name: string, { what, why, todo }: ErrorHelp): string {
  return `${name}\n${wrap(what)}${wrap(`Why: ${why}`)}${wrap(`Do:  ${todo}`)}`
}

const WIDTH = 96

function wrap(text: string): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.map((line) => `    ${line}\n`).join('')
}
