// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509 wants the global it sets
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const KEY = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const DAY_MS = 86_400_000;

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface TestCa {
  /** PEM of the certificate itself. */
  readonly cert: string;
  client(subject: x509.JsonName, options?: { readonly expired?: boolean }): Promise<Issued>;
  server(ip: string, options?: { readonly expired?: boolean }): Promise<Issued>;
}

/** A certificate authority that lives as long as a test. */
export async function testCa(name: string): Promise<TestCa> {
  const keys = await crypto.subtle.generateKey(KEY, true, ["sign", "verify"]);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: [{ CN: [name] }],
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    signingAlgorithm: KEY,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  let serial = 1;

  async function issue(
    subject: x509.JsonName,
    notAfter: Date,
    extensions: readonly x509.Extension[],
  ): Promise<Issued> {
    const own = await crypto.subtle.generateKey(KEY, true, ["sign", "verify"]);
    serial += 1;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial.toString(16).padStart(2, "0"),
      subject,
      issuer: root.subject,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter,
      signingKey: keys.privateKey,
      publicKey: own.publicKey,
      signingAlgorithm: KEY,
      extensions: [...extensions],
    });
    const pkcs8 = await crypto.subtle.exportKey("pkcs8", own.privateKey);
    return {
      cert: certificate.toString("pem"),
      key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    };
  }

  const endFor = (expired: boolean): Date => new Date(Date.now() + (expired ? -1_000 : DAY_MS));

  return {
    cert: root.toString("pem"),
    client: (subject, { expired = false } = {}) =>
      issue(subject, endFor(expired), [new x509.ExtendedKeyUsageExtension([CLIENT_AUTH])]),
    server: (ip, { expired = false } = {}) =>
      issue([{ CN: ["system:node:test"] }], endFor(expired), [
        new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
        new x509.SubjectAlternativeNameExtension([{ type: "ip", value: ip }]),
      ]),
  };
}
