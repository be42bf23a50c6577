/** What the reset did, for people: by table. */
export interface Reset {
  readonly table: string
  /** `emptied`, `canceled`, ... */
  readonly what: string
  readonly rows: number
}

/** Collects it. */
export class ResetReport {
  readonly resets: Reset[] = []
  /** what a person should know: a rule that matched nothing */
  readonly notes: string[] = []

  /** Nothing done is not told. */
  add(table: string, what: string, rows: number): void {
    if (rows === 0) return
    const index = this.resets.findIndex((reset) => reset.table === table && reset.what === what)
    const before = index < 0 ? 0 : (this.resets.splice(index, 1)[0] as Reset).rows
    this.resets.push({ table, what, rows: before + rows })
  }

  note(text: string): void {
    this.notes.push(text)
  }
}
