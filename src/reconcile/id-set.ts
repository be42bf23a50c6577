/** A set of ids, one bit each: 2.5 million builds are 320 kB. Ids are those of Koji's integer columns. */
export class IdSet {
  #bits = new Uint8Array(1 << 16)

  has(id: number): boolean {
    return ((this.#bits[id >>> 3] ?? 0) & (1 << (id & 7))) !== 0
  }

  add(id: number): void {
    const byte = id >>> 3
    if (byte >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(byte + 1, this.#bits.length * 2))
      grown.set(this.#bits)
      this.#bits = grown
    }
    this.#bits[byte] = (this.#bits[byte] ?? 0) | (1 << (id & 7))
  }
}
