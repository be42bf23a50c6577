import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

/**
 * Who may import whom (docs/design.md, "Parts"). A folder may always import itself. `type:` edges may be
 * `import type` only.
 */
const ALLOWED: Record<string, readonly string[]> = {
  'errors.ts': [],
  'step.ts': [],
  model: ['errors.ts'],
  telemetry: ['model', 'errors.ts'],
  config: ['model', 'errors.ts', 'type:storage'],
  bus: ['model', 'errors.ts', 'step.ts', 'telemetry'],
  hub: ['model', 'errors.ts', 'step.ts', 'telemetry'],
  staging: ['model', 'errors.ts', 'step.ts', 'telemetry'],
  storage: ['model', 'errors.ts', 'step.ts', 'telemetry'],
  queue: ['model', 'errors.ts', 'step.ts', 'telemetry', 'staging'],
  converge: [
    'model',
    'errors.ts',
    'step.ts',
    'telemetry',
    'hub',
    'staging',
    'storage',
    'queue',
    'type:config',
  ],
  catchup: ['model', 'errors.ts', 'step.ts', 'telemetry', 'hub', 'staging', 'queue', 'type:config'],
  reconcile: [
    'model',
    'errors.ts',
    'step.ts',
    'telemetry',
    'hub',
    'staging',
    'queue',
    'converge',
    'catchup',
    'type:config',
  ],
  seed: ['model', 'errors.ts', 'step.ts', 'telemetry', 'staging', 'type:storage'],
  operations: [
    'model',
    'errors.ts',
    'step.ts',
    'telemetry',
    'hub',
    'staging',
    'storage',
    'queue',
    'converge',
    'catchup',
    'reconcile',
    'seed',
    'type:config',
  ],
  'context.ts': ['*'],
  context: ['*'],
  cli: [
    'context.ts',
    'config',
    'errors.ts',
    'telemetry',
    'model',
    'type:staging',
    'type:queue',
    'type:hub',
    'type:converge',
  ],
  'main.ts': ['cli'],
}

const root = join(import.meta.dirname, '..', 'src')

function partOf(path: string): string {
  return relative(root, path).split('/')[0] ?? ''
}

interface Edge {
  readonly from: string
  readonly to: string
  readonly file: string
  readonly typeOnly: boolean
}

const DECLARATION = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?['"](\.[^'"]+)['"]/g
/** `import()`, of a value or in a type; what it imports must be a text that can be read here. */
const EXPRESSION = /\bimport\s*\(\s*(?:\/\*[\s\S]*?\*\/\s*)?(['"`]?)([^'"`)]*)\1/g

/** Every relative import of a source text that leaves its own part. */
function edgesOf(file: string, text: string): Edge[] {
  const from = partOf(file)
  const found = [
    ...[...text.matchAll(DECLARATION)].map(([, type, path]) => ({ path, typeOnly: type !== undefined })),
    ...[...text.matchAll(EXPRESSION)].map(([whole, quote, path]) => {
      if (quote === '' || path?.includes('${')) throw new Error(`${relative(root, file)}: ${whole}: of what?`)
      return { path, typeOnly: false }
    }),
  ]
  return found.flatMap(({ path = '', typeOnly }) => {
    if (!path.startsWith('.')) return []
    const to = partOf(join(file, '..', path))
    return to === from ? [] : [{ from, to, file: relative(root, file), typeOnly }]
  })
}

function forbidden(edge: Edge): boolean {
  const allowed = ALLOWED[edge.from] ?? []
  if (allowed.includes('*') || allowed.includes(edge.to)) return false
  return !(edge.typeOnly && allowed.includes(`type:${edge.to}`))
}

describe('imports run one way', () => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )

  it('has a rule for every part', () => {
    const parts = new Set(files.map((name) => name.split('/')[0]))
    expect([...parts].filter((part) => part !== undefined && !(part in ALLOWED))).toEqual([])
  })

  it('has no forbidden edge', () => {
    const edges = files.flatMap((name) => edgesOf(join(root, name), readFileSync(join(root, name), 'utf8')))
    expect(edges.length).toBeGreaterThan(0)
    expect(edges.filter(forbidden).map((edge) => `${edge.file} -> ${edge.to}`)).toEqual([])
  })

  it('would see an adapter that imports another one, also a re-export', () => {
    const [plain] = edgesOf(join(root, 'hub', 'x.ts'), "import { Bus } from '../bus/subscriber.ts'")
    const [again] = edgesOf(join(root, 'bus', 'x.ts'), "export { Database } from '../staging/database.ts'")
    expect([plain, again].map((edge) => edge !== undefined && forbidden(edge))).toEqual([true, true])
  })

  it('would see one that is imported when it is needed, and refuses one that it cannot read', () => {
    const file = join(root, 'hub', 'x.ts')
    const edges = [
      "const { Bus } = await import('../bus/subscriber.ts')",
      'type Bus = import("../bus/subscriber.ts").Bus',
      "void import(\n  /* late */ '../bus/subscriber.ts'\n)",
    ].flatMap((text) => edgesOf(file, text))
    expect(edges.map(forbidden)).toEqual([true, true, true])
    expect(edgesOf(file, "await import('node:fs'); await import('./near.ts')")).toEqual([])
    for (const text of ['await import(path)', `await import(\`../\${part}/x.ts\`)`])
      expect(() => edgesOf(file, text)).toThrow('of what?')
  })

  it('sees the one that the program has', () => {
    const file = join(root, 'cli', 'open.ts')
    expect(edgesOf(file, readFileSync(file, 'utf8')).map(({ to }) => to)).toContain('context.ts')
  })
})
