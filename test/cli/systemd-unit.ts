import { expect } from 'vitest'

const SECTIONS = ['Unit', 'Service', 'Timer', 'Install']

/** Section, name and value of each line of a systemd unit; fails on anything that is none. */
export function parseUnit(text: string): { section: string; name: string; value: string }[] {
  let section = ''
  return text.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return []
    const header = /^\[(\w+)\]$/.exec(line)?.[1]
    if (header !== undefined) {
      expect(SECTIONS).toContain(header)
      section = header
      return []
    }
    const match = /^([A-Z][A-Za-z]*)=(.+)$/.exec(line)
    if (match === null || section === '') throw new Error(`not a line of a unit: ${line}`)
    return [{ section, name: match[1] ?? '', value: match[2] ?? '' }]
  })
}
