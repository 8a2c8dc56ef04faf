"""users.search, search_all"""

from datetime import timedelta

from stytch.consumer.models.users import SearchUsersQuery

from support import UNKNOWN_USER, address, by_both_clients, shifted, token

DAY = 24 * 3600


@by_both_clients
class Search:
    async def asyncSetUp(self):
        """Creates three users with different values for each filter; b is created one day after a, c two."""
        await super().asyncSetUp()
        create = self.client.users.create
        with shifted(1000 * DAY):
            a = await create(
                email=address("anna"),
                create_user_as_pending=True,
                name={"first_name": "Zoë", "last_name": "Ångström"},
                external_id=address("id").replace("@", "."),
            )
        with shifted(1001 * DAY):
            name = {"first_name": "Grace", "middle_name": "B", "last_name": "Hopper"}
            b = await create(email=address("bert"), name=name)
        with shifted(1002 * DAY):
            email = address("cleo")
            c = await create(email=email)
            await self.links.send(email=email)
            await self.client.magic_links.authenticate(token=token(email))
        self.people = {"a": a, "b": b, "c": c}
        self.all = {
            "filter_name": "user_id",
            "filter_value": [person.user_id for person in (a, b, c)],
        }

    def names(self, results):
        names = {person.user_id: name for name, person in self.people.items()}
        return "".join(names[user.user_id] for user in results)

    async def search(self, *operands, operator="AND", **more):
        query = SearchUsersQuery(operator=operator, operands=list(operands))
        return self.ok(await self.client.users.search(query=query, **more))

    async def test_each_filter_finds_the_matching_users(self):
        a, b, c = self.people.values()

        def time(days):
            return (a.user.created_at + timedelta(days=days)).isoformat()

        between = {"greater_than": time(0.5), "less_than": time(1.5)}
        for name, value, found in (
            ("user_id", [a.user_id, c.user_id], "ac"),
            ("user_id", [a.user.external_id], "a"),
            ("user_id", [UNKNOWN_USER], ""),
            ("email_address", [b.user.emails[0].email.upper(), "x@example.com"], "b"),
            ("email_address", ["x@example.com"], ""),
            ("email_id", [c.email_id, a.email_id], "ac"),
            ("email_address_fuzzy", "BERT", "b"),
            ("email_address_fuzzy", "example", "abc"),
            ("full_name_fuzzy", "zoë ång", "a"),
            ("full_name_fuzzy", "hopper", "b"),
            ("status", "pending", "a"),
            ("status", "active", "bc"),
            ("email_verified", True, "c"),
            ("email_verified", False, "ab"),
            ("created_at_greater_than", time(0.5), "bc"),
            ("created_at_less_than", time(0.5), "a"),
            ("created_at_between", between, "b"),
            ("password_exists", False, "abc"),
            ("password_exists", True, ""),
            ("phone_number", ["+12025550162"], ""),
            ("phone_id", ["phone-number-test-1"], ""),
            ("phone_number_fuzzy", "2025", ""),
            ("phone_verified", True, ""),
            ("oauth_provider", ["google"], ""),
            ("webauthn_registration_id", ["x"], ""),
            ("webauthn_registration_verified", True, ""),
            ("crypto_wallet_id", ["x"], ""),
            ("crypto_wallet_address", ["x"], ""),
            ("crypto_wallet_verified", True, ""),
            ("totp_id", ["x"], ""),
            ("totp_verified", True, ""),
        ):
            with self.subTest(name, value=value):
                operand = {"filter_name": name, "filter_value": value}
                answer = await self.search(operand, self.all)
                self.assertEqual(self.names(answer.results), found)
                self.assertEqual(answer.results_metadata.total, len(found))
                self.assertIsNone(answer.results_metadata.next_cursor)

    async def test_results_have_every_field(self):
        b = self.people["b"]
        operand = {"filter_name": "user_id", "filter_value": [b.user_id]}
        self.assertEqual((await self.search(operand)).results, [b.user])

    async def test_operands_are_combined_by_and_or_or(self):
        a, b, c = self.people.values()
        operands = (
            {"filter_name": "user_id", "filter_value": [a.user_id, b.user_id]},
            {"filter_name": "email_id", "filter_value": [b.email_id, c.email_id]},
        )
        for operator, found in (("AND", "b"), ("OR", "abc")):
            answer = await self.search(*operands, operator=operator)
            self.assertEqual(self.names(answer.results), found)

    async def test_results_are_paged(self):
        first = await self.search(self.all, limit=2)
        self.assertEqual(self.names(first.results), "ab")
        self.assertEqual(first.results_metadata.total, 3)
        cursor = first.results_metadata.next_cursor
        second = await self.search(self.all, limit=2, cursor=cursor)
        self.assertEqual(self.names(second.results), "c")
        self.assertIsNone(second.results_metadata.next_cursor)
        exact = await self.search(self.all, limit=3)
        self.assertIsNone(exact.results_metadata.next_cursor)

    async def test_a_search_without_a_query_finds_every_user(self):
        one = self.ok(await self.client.users.search(limit=1))
        self.assertEqual(len(one.results), 1)
        everybody = await self.search(limit=1000)
        self.assertGreaterEqual(one.results_metadata.total, 3)
        self.assertEqual(len(everybody.results), one.results_metadata.total)

    async def test_an_invalid_search_is_refused(self):
        def by(name, value):
            return {
                "query": {
                    "operator": "AND",
                    "operands": [{"filter_name": name, "filter_value": value}],
                }
            }

        for fields, error_type in (
            ({"limit": 0}, "user_search_invalid_limit"),
            ({"limit": 1001}, "user_search_invalid_limit"),
            ({"cursor": "nowhere"}, "user_search_invalid_cursor"),
            ({"query": {"operator": "XOR", "operands": []}}, "user_search_invalid_operator"),
            (by("shoe_size", [43]), "user_search_invalid_filter"),
            (by("email_address", "ada@example.com"), "user_search_invalid_filter"),
            (by("status", "asleep"), "user_search_invalid_filter"),
            (by("created_at_greater_than", "yesterday"), "user_search_invalid_filter"),
            (by("full_name_fuzzy", "ab"), "user_search_invalid_filter"),
        ):
            with self.subTest(fields):
                await self.refused(self.client.users.search(**fields), 400, error_type)

    async def pages(self, **fields):
        if not self.is_async:
            # This call is not a coroutine, but a generator or an async generator.
            return list(self.clients[0].users.search_all(**fields))
        return [page async for page in self.clients[0].users.search_all_async(**fields)]

    async def test_search_all_returns_every_page(self):
        query = SearchUsersQuery(operator="AND", operands=[self.all])
        pages = await self.pages(limit=1, query=query)
        self.assertEqual([self.names(page.results) for page in pages], ["a", "b", "c"])
        nobody = {"filter_name": "user_id", "filter_value": [UNKNOWN_USER]}
        (page,) = await self.pages(query=SearchUsersQuery(operator="AND", operands=[nobody]))
        self.assertEqual(page.results, [])
