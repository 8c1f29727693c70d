// Supply says what the programs are made of: under which licences their parts stand (and fails if one is not among those
// we take), the texts of those licences for whoever passes the programs on, and a list of the parts in each program
// (SBOM, CycloneDX).
//
// What is in a program is asked of the program itself (the build information that Go puts into it); where a module's
// licence lies is asked of "go list". Nothing is fetched beyond what the build has fetched.
package main
