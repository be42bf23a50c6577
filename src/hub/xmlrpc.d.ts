/** The parts of `xmlrpc` that we use; it ships no types. */
declare module 'xmlrpc/lib/serializer.js' {
  const serializer: {
    /** The XML of a call. Throws for characters that XML forbids. */
    serializeMethodCall(method: string, params: readonly unknown[]): string
  }
  export default serializer
}

declare module 'xmlrpc/lib/customtype.js' {
  /** A value that is written as `<TAG>raw</TAG>`; `tagName` is the subclass's. */
  class CustomType {
    constructor(raw: string)
    raw: string
    tagName: string
  }
  export default CustomType
}
