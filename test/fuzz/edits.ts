import fc from 'fast-check'

/** Cuts a piece out and puts another in its place. */
export interface Edit {
  /** a share of the whole, 0 to 1 */
  readonly at: number
  /** bytes */
  readonly cut: number
  readonly put: Buffer
}

export function edits(
  put: fc.Arbitrary<Buffer>,
  options: { readonly maxEdits: number; readonly maxCut: number },
): fc.Arbitrary<Edit[]> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat({ max: options.maxCut }),
    put,
  })
  return fc.array(edit, { minLength: 1, maxLength: options.maxEdits })
}

export function edited(body: Buffer, changes: readonly Edit[]): Buffer {
  return changes.reduce((bytes, { at, cut, put }) => {
    const start = Math.floor(at * bytes.length)
    return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + cut)])
  }, body)
}
