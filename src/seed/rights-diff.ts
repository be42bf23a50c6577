import type { DefaultRight, Right } from './rights-read.ts'

/** What must be done with rights that differ: what is too much goes first. */
export interface RightsDiff<R> {
  readonly revoke: readonly R[]
  /** these stay, but may no longer be passed on */
  readonly revokeOption: readonly R[]
  readonly grant: readonly R[]
}

type Given = Pick<Right, 'to' | 'privilege' | 'grantable'>

/** `keyOf` tells the thing. */
export function diffRights<R extends Given>(
  wanted: readonly R[],
  given: readonly R[],
  keyOf: (right: R) => string,
): RightsDiff<R> {
  const name = (right: R): string => JSON.stringify([keyOf(right), right.to, right.privilege])
  const have = new Map(given.map((right) => [name(right), right]))
  const want = new Map(wanted.map((right) => [name(right), right]))
  const passedOn = (right: R | undefined): boolean => right?.grantable === true
  return {
    revoke: given.filter((right) => !want.has(name(right))),
    revokeOption: given.filter(
      (right) => passedOn(right) && want.has(name(right)) && !passedOn(want.get(name(right))),
    ),
    grant: wanted.filter((right) => {
      const there = have.get(name(right))
      return there === undefined || (right.grantable && !there.grantable)
    }),
  }
}

export function rightKey({ kind, on, column }: Right): string {
  return JSON.stringify([kind, on, column])
}

/** Statements for rights on things; `database` quoted. */
export function rightStatements(diff: RightsDiff<Right>, database: string): string[] {
  const target = ({ kind, on }: Right): string =>
    kind === 'database' ? `database ${database}` : `${kind} ${on}`
  const listed = ({ privilege, column }: Right): string =>
    column === null ? privilege : `${privilege} ("${column.replaceAll('"', '""')}")`
  return statements(diff, target, listed)
}

export function defaultKey({ role, schema, objects }: DefaultRight): string {
  return JSON.stringify([role, schema, objects])
}

export function defaultStatements(diff: RightsDiff<DefaultRight>): string[] {
  const target = ({ objects }: DefaultRight): string => objects
  const head = ({ role, schema }: DefaultRight): string =>
    `alter default privileges for role "${role.replaceAll('"', '""')}"${schema === null ? '' : ` in schema ${schema}`} `
  return statements(diff, target, ({ privilege }) => privilege, head)
}

function statements<R extends Given>(
  diff: RightsDiff<R>,
  target: (right: R) => string,
  listed: (right: R) => string,
  head: (right: R) => string = () => '',
): string[] {
  const made = (rights: readonly R[], verb: string, link: string, tail: (right: R) => string): string[] => {
    const privileges = new Map<string, string[]>()
    for (const right of rights) {
      const frame = JSON.stringify([
        `${head(right)}${verb} `,
        ` on ${target(right)} ${link} ${right.to}${tail(right)}`,
      ])
      privileges.set(frame, [...(privileges.get(frame) ?? []), listed(right)])
    }
    return [...privileges].map(([frame, list]) => {
      const [before, after] = JSON.parse(frame) as [string, string]
      return `${before}${list.join(', ')}${after}`
    })
  }
  return [
    ...made(diff.revoke, 'revoke', 'from', () => ''),
    ...made(diff.revokeOption, 'revoke grant option for', 'from', () => ''),
    ...made(diff.grant, 'grant', 'to', ({ grantable }) => (grantable ? ' with grant option' : '')),
  ]
}
