/** Files that are carried as text: `import text from "./main.go" with { type: "text" }`. */
declare module "*.go" {
  const text: string;
  export default text;
}
declare module "*.mod" {
  const text: string;
  export default text;
}
declare module "*.sum" {
  const text: string;
  export default text;
}
