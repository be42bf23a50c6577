import { type Der, DerError, membersOf, TAG } from './der.ts'

/**
 * What python-cryptography demands of a sender's certificate beyond OpenSSL (its crate asn1): true is written in one way, a
 * default (`critical`, the version) is not written at all, sets are in order. Throws DerError.
 */
export function checkStrictDer(parts: {
  readonly version: Der | null
  readonly names: readonly Der[]
  readonly extensions: Der | null
}): void {
  const { version, names, extensions } = parts
  if (version !== null && version.content.at(-1) === 0) throw new DerError('a version that is the default')
  for (const set of names.flatMap(membersOf)) {
    const members = membersOf(set).map(({ bytes }) => bytes)
    const inOrder = members.every(
      (bytes, index) => index === 0 || before(members[index - 1] as Buffer, bytes),
    )
    if (!inOrder) throw new DerError('a set that is not in order')
  }
  const list = extensions === null ? [] : membersOf(extensions).flatMap(membersOf)
  for (const extension of list) {
    const [, flag] = membersOf(extension)
    if (flag?.tag === TAG.boolean && flag.content[0] !== 0xff) throw new DerError('a flag that is not true')
  }
}

function before(left: Buffer, right: Buffer): boolean {
  return Buffer.compare(left, right) <= 0
}
