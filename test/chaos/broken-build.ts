import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildProgram, type Program } from '../e2e/program.ts'
import type { Build } from './mortal.ts'

/** A mistake that somebody could make: what chaos must find. */
export interface Mutant {
  readonly name: string
  /** below src */
  readonly file: string
  /** occurs once, also in what is built of it */
  readonly from: string
  readonly to: string
  /** what no longer holds */
  readonly breaks: string
}

/** The program as it is shipped, but for one mistake; in a directory of its own. */
export async function brokenBuild({ file, from, to }: Mutant): Promise<Build & Program> {
  const program = await buildProgram()
  const path = join(program.directory, file.replace(/\.ts$/, '.js'))
  const text = await readFile(path, 'utf8')
  if (text.split(from).length !== 2) throw new Error(`${from} is not once in ${path}`)
  await writeFile(
    path,
    text.replace(from, () => to),
  )
  const load = (name: string) => import(pathToFileURL(join(program.directory, name)).href)
  const { createOperations } = (await load('context.js')) as Pick<Build, 'createOperations'>
  const { StopError } = (await load('errors.js')) as Pick<Build, 'StopError'>
  return { createOperations, StopError, ...program }
}
