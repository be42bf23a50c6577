import { generic, type Struct } from '../wire-value.ts'

/** Splits name-version-release, with an optional epoch before the name (koji/__init__.py, parse_NVR). */
export function parseNvr(nvr: string): Struct {
  const last = nvr.lastIndexOf('-')
  const middle = last > 0 ? nvr.lastIndexOf('-', last - 1) : -1
  if (last === -1 || last === nvr.length - 1 || middle === -1 || middle === last - 1) {
    throw generic(`invalid format: ${nvr}`)
  }
  const full = nvr.slice(0, middle)
  const colon = full.indexOf(':')
  return {
    release: nvr.slice(last + 1),
    version: nvr.slice(middle + 1, last),
    name: full.slice(colon + 1),
    epoch: colon === -1 ? '' : full.slice(0, colon),
  }
}

/** Splits name-version-release.arch, with an optional .rpm and an @repo behind (parse_NVRA). */
export function parseNvra(nvra: string): Struct {
  const at = nvra.indexOf('@')
  const location = at === -1 ? null : nvra.slice(at + 1)
  const plain = (at === -1 ? nvra : nvra.slice(0, at)).replace(/\.rpm$/, '')
  const dot = plain.lastIndexOf('.')
  if (dot === -1 || dot === plain.length - 1) throw generic(`invalid format: ${plain}`)
  const arch = plain.slice(dot + 1)
  return { ...parseNvr(plain.slice(0, dot)), arch, src: arch === 'src', ...(location ? { location } : {}) }
}
