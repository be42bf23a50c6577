import { tableOf } from './statement.ts'

/** A statement of a dump that is better run when all rows are there. */
export interface Late {
  readonly text: string
  /** `comment`s may come last of all */
  readonly kind: 'index' | 'foreign key' | 'comment' | 'other'
  /** those that it locks */
  readonly tables: readonly string[]
  /** nothing else may work on these meanwhile; false: others that are not exclusive may */
  readonly isExclusive: boolean
}

const NAME = String.raw`(?:"(?:[^"]|"")+"|[\w$]+)`
const QUALIFIED = String.raw`(?:${NAME}\.)?${NAME}`
const INDEX = new RegExp(
  String.raw`^CREATE\s+(?:UNIQUE\s+)?INDEX\s+${QUALIFIED}\s+ON\s+(?:ONLY\s+)?(${QUALIFIED})\s`,
  'i',
)
const ADDED = new RegExp(
  String.raw`^ALTER\s+TABLE\s+(?:ONLY\s+)?(${QUALIFIED})\s+ADD\s+CONSTRAINT\s+${NAME}\s+(PRIMARY\s+KEY|UNIQUE|FOREIGN\s+KEY)\b`,
  'i',
)
const REFERENCED = new RegExp(String.raw`\sREFERENCES\s+(${QUALIFIED})`, 'i')
const COMMENT = /^COMMENT\s+ON\s+(?:INDEX|CONSTRAINT)\b/i
const OTHER = [
  /^ALTER\s+TABLE\s+(?:ONLY\s+)?\S+\s+(?:CLUSTER\s+ON|REPLICA\s+IDENTITY|ATTACH\s+PARTITION)\b/i,
  /^ALTER\s+INDEX\b/i,
  /^REFRESH\s+MATERIALIZED\s+VIEW\b/i,
  /^CREATE\s+STATISTICS\b/i,
]

/** What it is; null: it is to be run where it stands. */
export function lateStatement(statement: string): Late | null {
  const text = statement.trimStart()
  const index = INDEX.exec(text)?.[1]
  if (index !== undefined) return { text, kind: 'index', tables: [tableOf(index)], isExclusive: false }
  const [, table, what] = ADDED.exec(text) ?? []
  if (table !== undefined && what !== undefined) {
    if (!/^FOREIGN/i.test(what)) return { text, kind: 'index', tables: [tableOf(table)], isExclusive: true }
    const other = REFERENCED.exec(text)?.[1]
    const tables = [tableOf(table), ...(other === undefined ? [] : [tableOf(other)])]
    return { text, kind: 'foreign key', tables, isExclusive: true }
  }
  if (COMMENT.test(text)) return { text, kind: 'comment', tables: [], isExclusive: false }
  return OTHER.some((pattern) => pattern.test(text))
    ? { text, kind: 'other', tables: [], isExclusive: true }
    : null
}

/**
 * In groups that run one after the other; what is in one group may run at a time. `rows`: of each table, so that what takes longest begins
 * first. Statistics are taken of each table that has rows, once its indexes stand; `names`: its name as the dump writes it.
 */
export function inGroups(
  all: readonly Late[],
  rows: Readonly<Record<string, number>>,
  names: ReadonlyMap<string, string>,
): Late[][] {
  const weight = ({ tables }: Late): number => Math.max(0, ...tables.map((table) => rows[table] ?? 0))
  const group = (kind: Late['kind']): Late[] =>
    all.filter((late) => late.kind === kind).sort((a, b) => weight(b) - weight(a))
  const analyze = Object.entries(rows)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .map(
      ([table]): Late => ({
        text: `analyze ${names.get(table) ?? table}`,
        kind: 'index',
        tables: [table],
        isExclusive: true,
      }),
    )
  const others = all.filter(({ kind }) => kind === 'other').map((late) => [late])
  return [[...group('index'), ...analyze], group('foreign key'), ...others, group('comment')]
}

/**
 * Runs each of a group by one of the workers, never two at a time that lock the same table. Stops giving out at the first error, and
 * throws it when those under way have ended.
 */
export async function runGroup<W>(
  group: readonly Late[],
  workers: readonly W[],
  run: (worker: W, late: Late) => Promise<void>,
): Promise<void> {
  const todo = [...group]
  const running = new Set<Late>()
  const failed: unknown[] = []
  let changed = (): void => {}
  const clashes = (a: Late, b: Late): boolean =>
    (a.isExclusive || b.isExclusive) && a.tables.some((table) => b.tables.includes(table))
  const work = async (worker: W): Promise<void> => {
    while (todo.length > 0 && failed.length === 0) {
      const at = todo.findIndex((late) => ![...running].some((other) => clashes(late, other)))
      if (at < 0) {
        await new Promise<void>((resolve) => {
          const before = changed
          changed = () => {
            before()
            resolve()
          }
        })
        continue
      }
      const [late] = todo.splice(at, 1) as [Late]
      running.add(late)
      try {
        await run(worker, late)
      } catch (error) {
        failed.push(error)
      } finally {
        running.delete(late)
        const tell = changed
        changed = () => {}
        tell()
      }
    }
  }
  await Promise.all(workers.map(work))
  if (failed.length > 0) throw failed[0]
}
