// A wallet like those of browser extensions: it holds an Arweave key and signs data items (ANS-104).
const { subtle } = crypto
const utf8 = text => new TextEncoder().encode(text)
const join = (...parts) => Uint8Array.from(parts.flatMap(part => [...part]))
const little = number => join([number & 255, (number >> 8) & 255, (number >> 16) & 255, 0, 0, 0, 0, 0])
const url64 = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), letter => letter.charCodeAt(0))

const long = number => { // Avro's zigzag varint of a non-negative number
  const bytes = []
  for (let rest = number * 2; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest < 128 ? rest : (rest % 128) | 128)
    if (rest < 128) return bytes
  }
}
const text = words => join(long(utf8(words).length), utf8(words))
const block = tags => tags.length ? join(long(tags.length), ...tags.map(tag => join(text(tag.name), text(tag.value))), [0]) : []

const sha384 = async bytes => new Uint8Array(await subtle.digest('SHA-384', bytes))
const deep = async part => {
  if (!Array.isArray(part)) return sha384(join(await sha384(utf8(`blob${part.length}`)), await sha384(part)))
  let hash = await sha384(utf8(`list${part.length}`))
  for (const one of part) hash = await sha384(join(hash, await deep(one)))
  return hash
}

export const wallet = async () => {
  const rsa = { name: 'RSA-PSS', modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
  const pair = await subtle.generateKey(rsa, true, ['sign', 'verify'])
  const owner = url64((await subtle.exportKey('jwk', pair.publicKey)).n)
  return {
    connect: async () => {},
    signDataItem: async ({ data, tags, target, anchor }) => {
      const [to, body, named] = [url64(target), typeof data === 'string' ? utf8(data) : data, Uint8Array.from(block(tags))]
      const once = anchor ? utf8(anchor) : new Uint8Array()
      const signed = await deep([utf8('dataitem'), utf8('1'), utf8('1'), owner, to, once, named, body])
      const signature = new Uint8Array(await subtle.sign({ name: 'RSA-PSS', saltLength: 32 }, pair.privateKey, signed))
      const anchored = once.length ? join([1], once) : [0]
      return join([1, 0], signature, owner, [1], to, anchored, little(tags.length), little(named.length), named, body).buffer
    },
  }
}
