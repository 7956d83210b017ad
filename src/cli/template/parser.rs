//! Tokens put together to templates: the actions that hold others.

use std::collections::HashMap;

use super::TemplateError;
use super::ast::{Block, Call, Node, Pipe};
use super::lexer::{Keyword, Kind, Token, tokens};
use super::quote;

/// How deep actions and parentheses may stand in each other.
const MAX_NESTING: usize = 100;

/// The bodies of a template by name; its own has none.
pub fn parse(text: &str) -> Result<HashMap<String, Vec<Node>>, TemplateError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text),
        next: 0,
        furthest: 0,
        nesting: 0,
        bodies: HashMap::new(),
        scope: Scope::new(),
    };
    let body = parser.file()?;
    parser.add(String::new(), body)?;
    Ok(parser.bodies)
}

pub(super) type Parsed<T> = Result<T, TemplateError>;

/// Reads the tokens one after the other; `operands.rs` has what stands inside of an action.
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    pub(super) next: usize,
    /// The last token that was looked at: errors are on its line.
    furthest: usize,
    nesting: usize,
    bodies: HashMap<String, Vec<Node>>,
    pub(super) scope: Scope,
}

/// What is known inside of one body.
pub(super) struct Scope {
    pub(super) variables: Vec<String>,
    /// How many `range` are open.
    ranges: usize,
    /// The line on which the current action begins.
    action: Option<usize>,
}

impl Scope {
    fn new() -> Self {
        Self { variables: vec!["$".to_owned()], ranges: 0, action: None }
    }
}

/// What ended a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    End,
    Else,
}

impl Ending {
    fn shown(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

enum Item {
    Node(Node),
    Ending(Ending),
}

impl<'a> Parser<'a> {
    pub(super) fn error<T>(&self, message: &str) -> Parsed<T> {
        let line = self.tokens.get(self.furthest).map_or(1, |token| self.line(token));
        Err(TemplateError(format!("template: :{line}: {message}")))
    }

    fn line(&self, token: &Token<'_>) -> usize {
        1 + self.text.get(..token.position).unwrap_or_default().matches('\n').count()
    }

    pub(super) fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Parsed<T> {
        let Some(fault) = token.fault() else {
            return self.error(&format!("unexpected {} in {context}", token.shown()));
        };
        let begun = match self.scope.action {
            Some(line) if line != self.line(token) => {
                let action = if fault.ends_with(" action") { "" } else { " in action" };
                format!("{action} started at :{line}")
            }
            _ => String::new(),
        };
        self.error(&format!("{fault}{begun}"))
    }

    pub(super) fn peek(&mut self) -> Token<'a> {
        self.furthest = self.furthest.max(self.next);
        self.tokens.get(self.next).copied().unwrap_or(Token { kind: Kind::End, position: self.text.len(), text: "" })
    }

    pub(super) fn advance(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    pub(super) fn peek_word(&mut self) -> Token<'a> {
        while self.peek().kind == Kind::Space {
            self.advance();
        }
        self.peek()
    }

    pub(super) fn advance_word(&mut self) -> Token<'a> {
        self.peek_word();
        self.advance()
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'a>> {
        let token = self.advance_word();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    /// Goes one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == MAX_NESTING {
            return self.error(&format!("exceeded maximum nesting ({MAX_NESTING})"));
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    fn file(&mut self) -> Parsed<Vec<Node>> {
        let mut body = Vec::new();
        while self.peek().kind != Kind::End {
            let open = self.next;
            if self.advance().kind == Kind::Open && self.advance_word().kind == Kind::Keyword(Keyword::Define) {
                self.definition()?;
                continue;
            }
            self.next = open;
            match self.item()? {
                Item::Node(node) => body.push(node),
                Item::Ending(ending) => return self.error(&format!("unexpected {}", ending.shown())),
            }
        }
        Ok(body)
    }

    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let scope = std::mem::replace(&mut self.scope, Scope::new());
        let name = self.name(context)?.1;
        self.expect(Kind::Close, context)?;
        self.body(name, context)?;
        self.scope = scope;
        Ok(())
    }

    /// The body of a definition, up to its end.
    fn body(&mut self, name: String, context: &str) -> Parsed<()> {
        let (body, ending) = self.list()?;
        if ending == Ending::Else {
            return self.error(&format!("unexpected {} in {context}", ending.shown()));
        }
        self.add(name, body)
    }

    fn add(&mut self, name: String, body: Vec<Node>) -> Parsed<()> {
        let is_empty =
            |body: &[Node]| body.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()));
        match self.bodies.get(&name) {
            Some(known) if !is_empty(known) => {
                if !is_empty(&body) {
                    let name = quote::quoted(&name);
                    return self.error(&format!("template: multiple definition of template {name}"));
                }
            }
            _ => {
                self.bodies.insert(name, body);
            }
        }
        Ok(())
    }

    /// What stands up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        self.nested(|parser| {
            let mut body = Vec::new();
            while parser.peek_word().kind != Kind::End {
                match parser.item()? {
                    Item::Node(node) => body.push(node),
                    Item::Ending(ending) => return Ok((body, ending)),
                }
            }
            parser.error("unexpected EOF")
        })
    }

    fn item(&mut self) -> Parsed<Item> {
        let token = self.advance_word();
        match token.kind {
            Kind::Literal => Ok(Item::Node(Node::Text(token.text.to_owned()))),
            Kind::Open => {
                self.scope.action = Some(self.line(&token));
                let item = self.action()?;
                self.scope.action = None;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let first = self.peek_word();
        let Kind::Keyword(keyword) = first.kind else {
            return Ok(Item::Node(Node::Action(self.pipeline("command", Kind::Close)?)));
        };
        let start = self.next;
        self.advance();
        Ok(Item::Node(match keyword {
            Keyword::Block => self.block()?,
            Keyword::Break => self.leave("break", Node::Break)?,
            Keyword::Continue => self.leave("continue", Node::Continue)?,
            Keyword::Else => return self.otherwise().map(Item::Ending),
            Keyword::End => {
                self.expect(Kind::Close, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Keyword::If => Node::If(self.control("if")?),
            Keyword::With => Node::With(self.control("with")?),
            Keyword::Range => Node::Range(self.control("range")?),
            Keyword::Template => self.call()?,
            Keyword::Define => {
                self.next = start;
                Node::Action(self.pipeline("command", Kind::Close)?)
            }
        }))
    }

    fn leave(&mut self, word: &str, node: Node) -> Parsed<Node> {
        self.expect(Kind::Close, &format!("{{{{{word}}}}}"))?;
        if self.scope.ranges == 0 {
            return self.error(&format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    /// `{{else}}`; the `if` or `with` that may follow is left for the action that it belongs to.
    fn otherwise(&mut self) -> Parsed<Ending> {
        if !matches!(self.peek_word().kind, Kind::Keyword(Keyword::If | Keyword::With)) {
            self.expect(Kind::Close, "else")?;
        }
        Ok(Ending::Else)
    }

    fn control(&mut self, context: &str) -> Parsed<Block> {
        let variables = self.scope.variables.len();
        let pipe = self.pipeline(context, Kind::Close)?;
        let ranges = usize::from(context == "range");
        self.scope.ranges += ranges;
        let (body, ending) = self.list()?;
        self.scope.ranges -= ranges;
        let otherwise = if ending == Ending::Else { Some(self.alternative(context)?) } else { None };
        self.scope.variables.truncate(variables);
        Ok(Block { pipe, body, otherwise })
    }

    fn alternative(&mut self, context: &str) -> Parsed<Vec<Node>> {
        let chained = match (context, self.peek().kind) {
            ("if", Kind::Keyword(Keyword::If)) => Node::If,
            ("with", Kind::Keyword(Keyword::With)) => Node::With,
            _ => {
                let (body, ending) = self.list()?;
                if ending == Ending::Else {
                    return self.error(&format!("expected end; found {}", ending.shown()));
                }
                return Ok(body);
            }
        };
        self.advance();
        // Its end is the end of both.
        self.nested(|parser| Ok(vec![chained(parser.control(context)?)]))
    }

    /// `{{block "name" pipeline}}` defines a template and calls it.
    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let (position, name) = self.name(context)?;
        let pipe = Some(self.pipeline(context, Kind::Close)?);
        let scope = std::mem::replace(&mut self.scope, Scope::new());
        self.body(name.clone(), context)?;
        self.scope = scope;
        Ok(Node::Template(Call { position, name, pipe }))
    }

    fn call(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let (position, name) = self.name(context)?;
        let pipe: Option<Pipe> = if self.peek_word().kind == Kind::Close {
            self.advance();
            None
        } else {
            Some(self.pipeline(context, Kind::Close)?)
        };
        Ok(Node::Template(Call { position, name, pipe }))
    }

    fn name(&mut self, context: &str) -> Parsed<(usize, String)> {
        let token = self.advance_word();
        if !matches!(token.kind, Kind::Quoted | Kind::Raw) {
            return self.unexpected(&token, context);
        }
        match quote::unquote(token.text) {
            Some(name) => Ok((token.position, name)),
            None => self.error("invalid syntax"),
        }
    }
}
